// SPDX-License-Identifier: Apache-2.0
// FLAC written, and WAV, FLAC and Ogg read, by libsndfile in memory.
#include <sndfile.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "media/codecs.h"

namespace serin::media {
namespace {

// A frame's header says a rate in 16 bits, in hertz or in tens of them.
constexpr std::int64_t kMaxPlainFlacRate = 65'535, kMaxFlacRate = 655'350;

// The rate itself, or the next above, or the highest.
std::int64_t flac_rate(std::int64_t wanted) {
  if (wanted <= kMaxPlainFlacRate) return wanted;
  return std::min((wanted + 9) / 10 * 10, kMaxFlacRate);
}

struct Closer {
  void operator()(SNDFILE* file) const { sf_close(file); }
};
using File = std::unique_ptr<SNDFILE, Closer>;

// A file in memory, for reading (of what is borrowed) or for writing (into what is owned).
struct Memory {
  std::string_view borrowed;
  std::string owned;
  bool writing = false;
  sf_count_t position = 0;

  sf_count_t size() const {
    return static_cast<sf_count_t>(writing ? owned.size() : borrowed.size());
  }
};

Memory& memory(void* user) { return *static_cast<Memory*>(user); }

sf_count_t length_of(void* user) { return memory(user).size(); }
sf_count_t tell(void* user) { return memory(user).position; }

sf_count_t seek(sf_count_t offset, int whence, void* user) {
  Memory& file = memory(user);
  sf_count_t base = 0;
  if (whence == SEEK_CUR) base = file.position;
  if (whence == SEEK_END) base = file.size();
  sf_count_t target = 0;
  if (__builtin_add_overflow(base, offset, &target) || target < 0 || target > file.size())
    return -1;
  return file.position = target;
}

sf_count_t read(void* to, sf_count_t count, void* user) {
  Memory& file = memory(user);
  const sf_count_t given = std::clamp<sf_count_t>(count, 0, file.size() - file.position);
  std::memcpy(to, file.borrowed.data() + file.position, static_cast<std::size_t>(given));
  file.position += given;
  return given;
}

sf_count_t write(const void* from, sf_count_t count, void* user) {
  Memory& file = memory(user);
  const auto end = static_cast<std::size_t>(file.position + count);
  if (end > file.owned.size()) file.owned.resize(end);
  std::memcpy(file.owned.data() + file.position, from, static_cast<std::size_t>(count));
  file.position += count;
  return count;
}

SF_VIRTUAL_IO callbacks() { return {length_of, seek, read, write, tell}; }

Result<std::string> encode_as(const Audio& audio, int format, std::string_view name) {
  Memory memory_file{.borrowed = {}, .owned = {}, .writing = true};
  SF_VIRTUAL_IO io = callbacks();
  SF_INFO info{};
  info.samplerate = static_cast<int>(audio.sample_rate);
  info.channels = audio.channels;
  info.format = format;
  const auto failed = [name](SNDFILE* file) {
    return fail(Code::kInternal,
                "cannot write the " + std::string(name) + ": " + sf_strerror(file));
  };
  File file(sf_open_virtual(&io, SFM_WRITE, &info, &memory_file));
  if (file == nullptr) return failed(nullptr);
  const std::vector<std::int16_t> samples = to_int16(audio.samples);
  const auto count = static_cast<sf_count_t>(samples.size());
  if (sf_write_short(file.get(), samples.data(), count) != count) return failed(file.get());
  file.reset();  // writes the end and the header again
  return std::move(memory_file.owned);
}

// In pieces, since a header may promise more than there is.
Status read_samples(SNDFILE* file, const SF_INFO& info, const DecodeLimits& limits,
                    std::vector<float>& out) {
  constexpr std::int64_t kPieceFrames = 16'384;
  std::vector<float> piece(static_cast<std::size_t>(kPieceFrames * info.channels));
  for (;;) {
    const sf_count_t frames = sf_readf_float(file, piece.data(), kPieceFrames);
    if (frames <= 0) break;
    const auto count = static_cast<std::size_t>(frames * info.channels);
    if (static_cast<std::int64_t>(out.size() + count) > limits.audio_samples)
      return invalid("the sound has more than " + std::to_string(limits.audio_samples) +
                     " samples");
    out.insert(out.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(count));
  }
  if (sf_error(file) != SF_ERR_NO_ERROR)
    return invalid(std::string("the sound cannot be read: ") + sf_strerror(file));
  return {};
}

// FLAC says how many frames there are; the others' counts are estimates or stem from the length
// itself.
bool ends_early(const SF_INFO& info, std::size_t samples) {
  return (info.format & SF_FORMAT_TYPEMASK) == SF_FORMAT_FLAC && info.frames > 0 &&
         samples / static_cast<std::size_t>(info.channels) < static_cast<std::size_t>(info.frames);
}

}  // namespace

Result<std::string> encode_flac(const Audio& audio) {
  const std::int64_t rate = flac_rate(audio.sample_rate);
  if (rate != audio.sample_rate) {
    SERIN_TRY_ASSIGN(const Audio other, resample(audio, rate, audio.channels));
    return encode_flac(other);
  }
  return encode_as(audio, SF_FORMAT_FLAC | SF_FORMAT_PCM_16, "FLAC");
}

Result<Audio> decode_sndfile(std::string_view bytes, const DecodeLimits& limits) {
  Memory memory_file{.borrowed = bytes, .owned = {}};
  SF_VIRTUAL_IO io = callbacks();
  SF_INFO info{};
  const File file(sf_open_virtual(&io, SFM_READ, &info, &memory_file));
  if (file == nullptr)
    return invalid(std::string("the sound cannot be read: ") + sf_strerror(nullptr));
  SERIN_TRY(check_sound(info.samplerate, info.channels, limits, info.frames));
  Audio audio{.sample_rate = info.samplerate, .channels = info.channels, .samples = {}};
  SERIN_TRY(read_samples(file.get(), info, limits, audio.samples));
  if (audio.samples.empty()) return invalid("the sound has no samples");
  if (ends_early(info, audio.samples.size()))
    return invalid("the FLAC ends early: its header says " + std::to_string(info.frames) +
                   " frames");
  clip(audio.samples);
  return audio;
}

}  // namespace serin::media
