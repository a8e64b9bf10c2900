// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package tools names the program that tools/setup builds with the versions and hashes beside this file.
package tools

import _ "github.com/summerwind/h2spec/cmd/h2spec"
