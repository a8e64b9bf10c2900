// SPDX-License-Identifier: Apache-2.0
// protozero, the reader and writer of protobuf's wire form, as the whole tree includes it: what is
// malformed comes from outside, so it throws where the library would abort.
#pragma once

#include <protozero/exception.hpp>
// A field of another wire type than the schema's.
#define protozero_assert(condition) \
  ((condition) ? void() : throw ::protozero::unknown_pbf_wire_type_exception{})
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>
