// SPDX-License-Identifier: Apache-2.0
#include "media/av.h"

#include <algorithm>
#include <cstring>
#include <mutex>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/dict.h>
}

namespace serin::media {
namespace {

constexpr int kIoBufferBytes = 64 * 1024;

// The file, which a muxer writes, seeks in and (for +faststart) reads again.
struct MemoryFile {
  std::string bytes;
  std::size_t position = 0;
};

MemoryFile& file_of(void* opaque) { return *static_cast<MemoryFile*>(opaque); }

int write_bytes(void* opaque, std::uint8_t* data, int size) {
  MemoryFile& file = file_of(opaque);
  const auto count = static_cast<std::size_t>(size);
  if (file.position + count > file.bytes.size()) file.bytes.resize(file.position + count);
  std::memcpy(file.bytes.data() + file.position, data, count);
  file.position += count;
  return size;
}

std::int64_t seek_bytes(void* opaque, std::int64_t offset, int whence) {
  MemoryFile& file = file_of(opaque);
  const auto size = static_cast<std::int64_t>(file.bytes.size());
  if ((whence & AVSEEK_SIZE) != 0) return size;
  std::int64_t target = offset;
  if (whence == SEEK_CUR) target += static_cast<std::int64_t>(file.position);
  if (whence == SEEK_END) target += size;
  if (target < 0) return AVERROR(EINVAL);
  file.position = static_cast<std::size_t>(target);
  return target;
}

// The muxer's second look at its own file, for +faststart, which moves the index to the front.
struct Reader {
  const MemoryFile* file;
  std::size_t position = 0;
};

int read_bytes(void* opaque, std::uint8_t* to, int size) {
  Reader& reader = *static_cast<Reader*>(opaque);
  const std::size_t left =
      reader.file->bytes.size() - std::min(reader.position, reader.file->bytes.size());
  const std::size_t given = std::min(left, static_cast<std::size_t>(size));
  if (given == 0) return AVERROR_EOF;
  std::memcpy(to, reader.file->bytes.data() + reader.position, given);
  reader.position += given;
  return static_cast<int>(given);
}

std::int64_t seek_reader(void* opaque, std::int64_t offset, int whence) {
  Reader& reader = *static_cast<Reader*>(opaque);
  if ((whence & AVSEEK_SIZE) != 0) return static_cast<std::int64_t>(reader.file->bytes.size());
  const std::int64_t target =
      offset + (whence == SEEK_CUR ? static_cast<std::int64_t>(reader.position) : 0);
  if (target < 0 || whence == SEEK_END) return AVERROR(EINVAL);
  reader.position = static_cast<std::size_t>(target);
  return target;
}

int open_reader(AVFormatContext* format, AVIOContext** io, const char*, int flags, AVDictionary**) {
  if ((flags & AVIO_FLAG_WRITE) != 0) return AVERROR(EPERM);  // it never touches another file
  auto* buffer = static_cast<unsigned char*>(av_malloc(kIoBufferBytes));
  if (buffer == nullptr) return AVERROR(ENOMEM);
  auto reader = std::make_unique<Reader>(Reader{static_cast<MemoryFile*>(format->opaque)});
  *io =
      avio_alloc_context(buffer, kIoBufferBytes, 0, reader.get(), read_bytes, nullptr, seek_reader);
  if (*io == nullptr) {
    av_free(buffer);
    return AVERROR(ENOMEM);
  }
  reader.release();  // close_reader ends it
  return 0;
}

int close_reader(AVFormatContext*, AVIOContext* io) {
  delete static_cast<Reader*>(io->opaque);
  av_freep(static_cast<void*>(&io->buffer));
  avio_context_free(&io);
  return 0;
}

struct FormatFree {
  void operator()(AVFormatContext* format) const { avformat_free_context(format); }
};
// "a=b:c=d" as FFmpeg's dictionary.
struct Options {
  AVDictionary* dictionary = nullptr;
  explicit Options(const char* text) { av_dict_parse_string(&dictionary, text, "=", ":", 0); }
  ~Options() { av_dict_free(&dictionary); }
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;
};

tl::unexpected<Error> no_memory() {
  return fail(Code::kResourceExhausted, "no memory for an encoder");
}

}  // namespace

void silence_av() {
  static std::once_flag once;
  std::call_once(once, [] { av_log_set_level(AV_LOG_QUIET); });
}

void AvIoFree::operator()(AVIOContext* io) const {
  av_freep(static_cast<void*>(&io->buffer));
  avio_context_free(&io);
}
void AvCodecFree::operator()(AVCodecContext* codec) const { avcodec_free_context(&codec); }
void AvPacketFree::operator()(AVPacket* packet) const { av_packet_free(&packet); }
void AvFrameFree::operator()(AVFrame* frame) const { av_frame_free(&frame); }

tl::unexpected<Error> av_failed(const char* what, int code) {
  char said[AV_ERROR_MAX_STRING_SIZE] = "";
  av_strerror(code, said, sizeof said);
  return fail(Code::kInternal, std::string("cannot ") + what + ": " + said);
}

// Ends in the reverse order: the muxer uses the I/O, which uses the file.
struct AvWriter::State {
  MemoryFile file;
  AvIo io;
  std::unique_ptr<AVFormatContext, FormatFree> format;
  AvCodec codec;
  AvPacket packet;
  AVStream* stream = nullptr;

  Status allocate(const Choice& choice) {
    const AVCodec* found = avcodec_find_encoder_by_name(choice.codec);
    AVFormatContext* made = nullptr;
    if (found == nullptr ||
        avformat_alloc_output_context2(&made, nullptr, choice.container, nullptr) < 0)
      return fail(Code::kUnimplemented, std::string("this build of FFmpeg lacks ") + choice.codec +
                                            " or " + choice.container);
    format.reset(made);
    codec.reset(avcodec_alloc_context3(found));
    packet.reset(av_packet_alloc());
    stream = avformat_new_stream(made, nullptr);
    auto* buffer = static_cast<unsigned char*>(av_malloc(kIoBufferBytes));
    if (buffer != nullptr)
      io.reset(
          avio_alloc_context(buffer, kIoBufferBytes, 1, &file, nullptr, write_bytes, seek_bytes));
    if (io == nullptr) av_free(buffer);
    if (codec == nullptr || packet == nullptr || stream == nullptr || io == nullptr)
      return no_memory();
    format->pb = io.get();
    format->opaque = &file;
    format->io_open = open_reader;
    format->io_close2 = close_reader;
    return {};
  }

  Status start(const Choice& choice) {
    codec->thread_count = 1;  // the result depends on it
    codec->flags |= AV_CODEC_FLAG_BITEXACT;
    format->flags |= AVFMT_FLAG_BITEXACT;
    if ((format->oformat->flags & AVFMT_GLOBALHEADER) != 0)
      codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    Options codec_options(choice.codec_options), container_options(choice.container_options);
    if (const int code = avcodec_open2(codec.get(), nullptr, &codec_options.dictionary); code < 0)
      return av_failed("open the encoder", code);
    stream->time_base = codec->time_base;
    stream->avg_frame_rate = codec->framerate;
    if (const int code = avcodec_parameters_from_context(stream->codecpar, codec.get()); code < 0)
      return av_failed("describe the stream", code);
    if (const int code = avformat_write_header(format.get(), &container_options.dictionary);
        code < 0)
      return av_failed("write the header", code);
    return {};
  }
};

AvWriter::AvWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
AvWriter::AvWriter(AvWriter&&) noexcept = default;
AvWriter& AvWriter::operator=(AvWriter&&) noexcept = default;
AvWriter::~AvWriter() = default;

Result<AvWriter> AvWriter::open(const Choice& choice,
                                const std::function<void(AVCodecContext&)>& configure) {
  silence_av();
  auto state = std::make_unique<State>();
  SERIN_TRY(state->allocate(choice));
  configure(*state->codec);
  SERIN_TRY(state->start(choice));
  return AvWriter(std::move(state));
}

const AVCodecContext& AvWriter::codec() const { return *state_->codec; }

Status AvWriter::write(const AVFrame& frame) {
  if (const int code = avcodec_send_frame(state_->codec.get(), &frame); code < 0)
    return av_failed("encode", code);
  return drain();
}

Result<std::string> AvWriter::finish() {
  if (const int code = avcodec_send_frame(state_->codec.get(), nullptr); code < 0)
    return av_failed("finish encoding", code);
  SERIN_TRY(drain());
  if (const int code = av_write_trailer(state_->format.get()); code < 0)
    return av_failed("write the end of the file", code);
  avio_flush(state_->io.get());
  return std::move(state_->file.bytes);
}

Status AvWriter::drain() {
  for (;;) {
    const int code = avcodec_receive_packet(state_->codec.get(), state_->packet.get());
    if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return {};
    if (code < 0) return av_failed("encode", code);
    AVPacket& packet = *state_->packet;
    packet.stream_index = state_->stream->index;
    if (packet.duration == 0 && state_->codec->codec_type == AVMEDIA_TYPE_VIDEO)
      packet.duration = 1;
    av_packet_rescale_ts(&packet, state_->codec->time_base, state_->stream->time_base);
    if (const int written = av_interleaved_write_frame(state_->format.get(), &packet); written < 0)
      return av_failed("write a packet", written);
  }
}

}  // namespace serin::media
