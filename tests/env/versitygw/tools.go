// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Names the program that tools/setup builds, so that go.mod and go.sum hold all that it is made of.
package tools

import _ "github.com/versity/versitygw/cmd/versitygw"
