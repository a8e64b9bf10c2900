// SPDX-License-Identifier: Apache-2.0
// MP3 read by FFmpeg, without the silence that an encoder puts around the sound. (libsndfile's own
// MP3 decoder writes what it thinks of damaged files to standard error.)
#include <algorithm>
#include <cstring>

#include "media/av.h"
#include "media/av_codecs.h"
#include "media/codecs.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
}

namespace serin::media {
namespace {

constexpr int kIoBufferBytes = 32 * 1024;

struct Source {
  std::string_view bytes;
  std::size_t position = 0;
};

int read_bytes(void* opaque, std::uint8_t* to, int size) {
  Source& source = *static_cast<Source*>(opaque);
  const std::size_t given =
      std::min(source.bytes.size() - source.position, static_cast<std::size_t>(size));
  if (given == 0) return AVERROR_EOF;
  std::memcpy(to, source.bytes.data() + source.position, given);
  source.position += given;
  return static_cast<int>(given);
}

std::int64_t seek_bytes(void* opaque, std::int64_t offset, int whence) {
  Source& source = *static_cast<Source*>(opaque);
  const auto size = static_cast<std::int64_t>(source.bytes.size());
  if ((whence & AVSEEK_SIZE) != 0) return size;
  std::int64_t target = offset;
  if (whence == SEEK_CUR) target += static_cast<std::int64_t>(source.position);
  if (whence == SEEK_END) target += size;
  if (target < 0 || target > size) return AVERROR(EINVAL);
  source.position = static_cast<std::size_t>(target);
  return target;
}

struct InputClose {
  void operator()(AVFormatContext* format) const { avformat_close_input(&format); }
};

tl::unexpected<Error> damaged(const char* what) {
  return invalid(std::string("the MP3 cannot be read: ") + what);
}

// The file being read; members end in the reverse order, the input before what it reads from.
struct Reader {
  Source source;
  AvIo io;
  std::unique_ptr<AVFormatContext, InputClose> input;
  AvCodec codec;
  AvPacket packet{av_packet_alloc()};
  AvFrame frame{av_frame_alloc()};

  Status open() {
    auto* buffer = static_cast<unsigned char*>(av_malloc(kIoBufferBytes));
    if (buffer != nullptr)
      io.reset(
          avio_alloc_context(buffer, kIoBufferBytes, 0, &source, read_bytes, nullptr, seek_bytes));
    if (io == nullptr) av_free(buffer);
    AVFormatContext* format = avformat_alloc_context();
    if (io == nullptr || format == nullptr || packet == nullptr || frame == nullptr) {
      avformat_free_context(format);
      return fail(Code::kResourceExhausted, "no memory for an MP3 decoder");
    }
    format->pb = io.get();
    // Frees the context when it fails.
    if (avformat_open_input(&format, nullptr, av_find_input_format("mp3"), nullptr) < 0)
      return damaged("no frame was found");
    input.reset(format);
    if (avformat_find_stream_info(format, nullptr) < 0 || format->nb_streams < 1)
      return damaged("no frame was found");
    codec.reset(avcodec_alloc_context3(avcodec_find_decoder(AV_CODEC_ID_MP3)));
    if (codec == nullptr ||
        avcodec_parameters_to_context(codec.get(), format->streams[0]->codecpar) < 0 ||
        format->streams[0]->codecpar->codec_id != AV_CODEC_ID_MP3)
      return damaged("it is not MPEG audio layer III");
    codec->thread_count = 1;
    codec->pkt_timebase = format->streams[0]->time_base;
    if (avcodec_open2(codec.get(), nullptr, nullptr) < 0)
      return damaged("its first frame is damaged");
    return {};
  }
};

Status append(const AVFrame& frame, const DecodeLimits& limits, Audio& audio) {
  const int channels = frame.ch_layout.nb_channels;
  if (audio.samples.empty()) {
    audio.sample_rate = frame.sample_rate;
    audio.channels = channels;
  }
  if (frame.format != AV_SAMPLE_FMT_FLTP || frame.sample_rate != audio.sample_rate ||
      channels != audio.channels)
    return damaged("its rate or channels change");
  SERIN_TRY(
      check_sound(audio.sample_rate, channels, limits,
                  static_cast<std::int64_t>(audio.samples.size()) / channels + frame.nb_samples));
  for (int i = 0; i < frame.nb_samples; ++i)
    for (int c = 0; c < channels; ++c)
      audio.samples.push_back(reinterpret_cast<const float*>(frame.extended_data[c])[i]);
  return {};
}

// What the decoder has ready.
Status drain(Reader& reader, const DecodeLimits& limits, Audio& audio) {
  while (avcodec_receive_frame(reader.codec.get(), reader.frame.get()) >= 0) {
    const Status appended = append(*reader.frame, limits, audio);
    av_frame_unref(reader.frame.get());
    SERIN_TRY(appended);
  }
  return {};
}

}  // namespace

Result<Audio> av::decode_mp3(std::string_view bytes, const DecodeLimits& limits) {
  silence_av();
  Reader reader{.source = {bytes}, .io = {}, .input = {}, .codec = {}};
  SERIN_TRY(reader.open());
  Audio audio;
  while (av_read_frame(reader.input.get(), reader.packet.get()) >= 0) {
    const bool ours = reader.packet->stream_index == 0;
    // A damaged frame is left out, as every player does.
    if (ours && avcodec_send_packet(reader.codec.get(), reader.packet.get()) >= 0)
      SERIN_TRY(drain(reader, limits, audio));
    av_packet_unref(reader.packet.get());
  }
  avcodec_send_packet(reader.codec.get(), nullptr);
  SERIN_TRY(drain(reader, limits, audio));
  if (audio.samples.empty()) return damaged("it holds no sound");
  clip(audio.samples);
  return audio;
}

}  // namespace serin::media
