// SPDX-License-Identifier: Apache-2.0
// What TensorFlow has to say becomes entries of our log instead of plain lines on standard error.
#pragma once

namespace serin::backends {

// Once, before anything else of TensorFlow is called; for the rest of the process.
void log_what_tensorflow_says();

}  // namespace serin::backends
