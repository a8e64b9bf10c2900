// SPDX-License-Identifier: Apache-2.0
// FFmpeg's libraries in memory: one muxer with one stream, written to a string. Made and used by
// one call of encode(); not shared between threads.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/error.h"

struct AVCodecContext;
struct AVIOContext;
struct AVFormatContext;
struct AVFrame;
struct AVPacket;

namespace serin::media {

// FFmpeg writes to standard error by itself unless told not to. Safe from any thread, any number of
// times.
void silence_av();

struct AvFrameFree {
  void operator()(AVFrame* frame) const;
};
using AvFrame = std::unique_ptr<AVFrame, AvFrameFree>;

// One encoder and the container around it. The output is a function of the input: no clock, no
// random identifiers.
class AvWriter {
 public:
  // What a container and its codec are called in FFmpeg, and how the codec is set up before it
  // opens.
  struct Choice {
    const char* container;
    const char* codec;
    const char* container_options = "";  // "movflags=+faststart"
    const char* codec_options = "";      // "preset=veryfast:crf=18"
  };
  static Result<AvWriter> open(const Choice& choice,
                               const std::function<void(AVCodecContext&)>& configure);
  AvWriter(AvWriter&&) noexcept;
  AvWriter& operator=(AvWriter&&) noexcept;
  ~AvWriter();

  const AVCodecContext& codec() const;
  Status write(const AVFrame& frame);
  // Ends the stream: the whole file. Nothing may be called after it.
  Result<std::string> finish();

 private:
  struct State;
  explicit AvWriter(std::unique_ptr<State> state);
  Status drain();
  std::unique_ptr<State> state_;
};

struct AvIoFree {
  void operator()(AVIOContext* io) const;
};
using AvIo = std::unique_ptr<AVIOContext, AvIoFree>;
struct AvCodecFree {
  void operator()(AVCodecContext* codec) const;
};
using AvCodec = std::unique_ptr<AVCodecContext, AvCodecFree>;
struct AvPacketFree {
  void operator()(AVPacket* packet) const;
};
using AvPacket = std::unique_ptr<AVPacket, AvPacketFree>;

// "cannot encode: what FFmpeg says".
tl::unexpected<Error> av_failed(const char* what, int code);

}  // namespace serin::media
