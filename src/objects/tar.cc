// SPDX-License-Identifier: Apache-2.0
#include "objects/tar.h"

#include <algorithm>
#include <array>
#include <optional>

#include "objects/text.h"

namespace serin::objects {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kLongestName = 100;
constexpr std::uint64_t kLargestOctal = 077777777777;  // eleven digits
constexpr std::size_t kMostEntries = 100'000;
constexpr std::uint64_t kLargestRecord = 64 << 10;  // of pax, and of GNU's long names

// A field of a header: where it stands and how long it is.
struct Field {
  std::size_t at, size;
};
constexpr Field kName{0, 100}, kMode{100, 8}, kUid{108, 8}, kGid{116, 8}, kSize{124, 12},
    kTime{136, 12}, kSum{148, 8}, kMagic{257, 8}, kPrefix{345, 155};
constexpr std::size_t kType = 156;

using Block = std::array<char, kBlock>;

void put(Block& block, Field field, std::string_view text) {
  text.copy(block.data() + field.at, field.size);
}

// Digits up to the field's last byte, which is 0.
void put_octal(Block& block, Field field, std::uint64_t value) {
  for (std::size_t i = field.size - 1; i-- > 0; value /= 8)
    block[field.at + i] = static_cast<char>('0' + value % 8);
}

// Of all bytes, with the sum's own as blanks.
unsigned sum_of(const Block& block) {
  unsigned sum = 0;
  for (std::size_t i = 0; i < kBlock; ++i) {
    const bool own = i >= kSum.at && i < kSum.at + kSum.size;
    sum += own ? ' ' : static_cast<unsigned char>(block[i]);
  }
  return sum;
}

Block block_of(std::string_view name, char type, std::uint64_t size, unsigned mode) {
  Block block{};
  put(block, kName, name);
  put_octal(block, kMode, mode);
  put_octal(block, kUid, 0);
  put_octal(block, kGid, 0);
  put_octal(block, kSize, size);
  put_octal(block, kTime, 0);
  block[kType] = type;
  put(block, kMagic, std::string_view("ustar\00000", 8));
  put_octal(block, {kSum.at, 7}, sum_of(block));
  block[kSum.at + 7] = ' ';
  return block;
}

std::string_view bytes_of(const Block& block) { return {block.data(), block.size()}; }

bool is_ascii(std::string_view name) {
  return std::ranges::all_of(name, [](char c) { return c > 0; });
}

// "LENGTH key=value\n", whose length counts its own digits.
std::string record(std::string_view key, std::string_view value) {
  const std::string rest = " " + std::string(key) + "=" + std::string(value) + "\n";
  std::size_t size = rest.size() + 1;
  while (std::to_string(size).size() + rest.size() != size)
    size = std::to_string(size).size() + rest.size();
  return std::to_string(size) + rest;
}

std::uint64_t padding(std::uint64_t size) { return (kBlock - size % kBlock) % kBlock; }

std::string_view text_in(const Block& block, Field field) {
  const std::string_view all(block.data() + field.at, field.size);
  return all.substr(0, all.find('\0'));
}

// Octal, or past eight gigabytes as GNU writes it: the high bit, then big-endian.
std::optional<std::uint64_t> size_in(const Block& block) {
  std::uint64_t size = 0;
  if ((static_cast<unsigned char>(block[kSize.at]) & 0x80) != 0) {
    for (std::size_t i = 4; i < kSize.size; ++i)
      size = size << 8 | static_cast<unsigned char>(block[kSize.at + i]);
    return size;
  }
  const std::string_view digits = trimmed(text_in(block, kSize));
  for (const char c : digits) {
    if (c < '0' || c > '7') return std::nullopt;
    size = size * 8 + static_cast<std::uint64_t>(c - '0');
  }
  return digits.empty() ? std::nullopt : std::optional(size);
}

bool is_header(const Block& block) {
  unsigned sum = 0;
  for (const char c : trimmed(text_in(block, kSum))) {
    if (c < '0' || c > '7') return false;
    sum = sum * 8 + static_cast<unsigned>(c - '0');
  }
  return sum == sum_of(block);
}

// What stands before an entry about it.
struct Said {
  std::string path;
  std::optional<std::uint64_t> size;
};

Status read_records(std::string_view text, Said& said) {
  while (!text.empty()) {
    const std::size_t blank = text.find(' ');
    const auto length = parse_number(text.substr(0, std::min(blank, text.size())));
    if (!length || *length <= blank + 1 || *length > text.size() || text[*length - 1] != '\n')
      return invalid("has a pax record that is none");
    const std::string_view pair = text.substr(blank + 1, *length - blank - 2);
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) return invalid("has a pax record that is none");
    if (pair.substr(0, equals) == "path") said.path = pair.substr(equals + 1);
    if (pair.substr(0, equals) == "size") {
      said.size = parse_number(pair.substr(equals + 1));
      if (!said.size) return invalid("has a pax record whose size is none");
    }
    text.remove_prefix(*length);
  }
  return {};
}

class Reader {
 public:
  explicit Reader(const Body& archive) : archive_(archive) {}

  Result<std::vector<TarFile>> run() {
    for (std::size_t entries = 0;; ++entries) {
      if (entries > kMostEntries)
        return fail(Code::kResourceExhausted,
                    "has more than " + std::to_string(kMostEntries) + " entries");
      SERIN_TRY_ASSIGN(const Block block, next_block());
      if (std::ranges::all_of(block, [](char c) { return c == 0; })) return std::move(files_);
      SERIN_TRY(entry(block));
    }
  }

 private:
  Result<Block> next_block() {
    Block block;
    if (archive_.size() - at_ < kBlock) return invalid("is no tar archive, or is cut");
    for (std::size_t have = 0; have < kBlock;) {
      SERIN_TRY_ASSIGN(const std::size_t got,
                       archive_.read(at_ + have, block.data() + have, kBlock - have));
      have += got;
    }
    at_ += kBlock;
    return block;
  }

  Status entry(const Block& block) {
    const auto own = is_header(block) ? size_in(block) : std::nullopt;
    if (!own) return invalid("is no tar archive, or is cut");
    const char type = block[kType];
    const bool about = type == 'x' || type == 'g' || type == 'L' || type == 'K';
    const std::uint64_t size = about ? *own : said_.size.value_or(*own);
    if (size > archive_.size() - at_) return invalid("is no tar archive, or is cut");
    if (type == 'x' || type == 'L') {
      SERIN_TRY(read_about(type, size));
    } else if (!about) {
      if (type == '0' || type == '\0') files_.push_back({path_of(block), at_, size});
      said_ = {};
    }
    at_ += std::min(size + padding(size), archive_.size() - at_);
    return {};
  }

  Status read_about(char type, std::uint64_t size) {
    if (size > kLargestRecord) return invalid("has a record that is too long");
    std::string text;
    SERIN_TRY(archive_.piece(at_, size).each([&](std::string_view piece) -> Status {
      text += piece;
      return {};
    }));
    if (type == 'x') return read_records(text, said_);
    said_.path = text.substr(0, text.find('\0'));
    return {};
  }

  std::string path_of(const Block& block) const {
    std::string path = said_.path;
    if (path.empty()) {
      const bool ustar = text_in(block, kMagic) == "ustar";  // GNU's has another prefix
      const std::string_view prefix = ustar ? text_in(block, kPrefix) : std::string_view();
      path = (prefix.empty() ? "" : std::string(prefix) + "/") + std::string(text_in(block, kName));
    }
    return path.starts_with("./") ? path.substr(2) : path;
  }

  const Body& archive_;
  std::uint64_t at_ = 0;
  Said said_;
  std::vector<TarFile> files_;
};

}  // namespace

Status TarWriter::header(std::string_view path, char type, std::uint64_t size, unsigned mode) {
  const bool fits = path.size() <= kLongestName;
  std::string records;
  // Else some readers convert it to what their locale can write, or fail to.
  if (!fits && !is_ascii(path)) records += record("hdrcharset", "BINARY");
  if (!fits) records += record("path", path);
  if (size > kLargestOctal) records += record("size", std::to_string(size));
  if (!records.empty()) {
    SERIN_TRY(sink_(bytes_of(block_of("pax", 'x', records.size(), 0644))));
    records.resize(records.size() + padding(records.size()), '\0');
    SERIN_TRY(sink_(records));
  }
  const std::string_view name = fits ? path : std::string_view("see-pax");
  return sink_(bytes_of(block_of(name, type, size > kLargestOctal ? 0 : size, mode)));
}

Status TarWriter::folder(std::string_view path) {
  return header(std::string(path) + "/", '5', 0, 0755);
}

Status TarWriter::file(std::string_view path, std::uint64_t size,
                       const std::function<Status(const Sink&)>& give) {
  SERIN_TRY(header(path, '0', size, 0644));
  std::uint64_t given = 0;
  SERIN_TRY(give([&](std::string_view piece) -> Status {
    given += piece.size();
    if (given > size) return {};
    return sink_(piece);
  }));
  if (given != size)
    return fail(Code::kAborted, std::string(path) + ": changed while it was packed");
  return sink_(std::string(padding(size), '\0'));
}

Status TarWriter::file(std::string_view path, std::string_view bytes) {
  return file(path, bytes.size(), [&](const Sink& sink) { return sink(bytes); });
}

Result<std::vector<TarFile>> tar_files(const Body& archive) { return Reader(archive).run(); }

Status TarWriter::end() { return sink_(std::string(2 * kBlock, '\0')); }

}  // namespace serin::objects
