// Reads section headers, the dynamic section and the dynamic symbol table, with a bounds check for every access.
#include "host/elf_file.hpp"

#include <elf.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <unordered_map>

#include "gpt2run/error.hpp"

// The header of the program or library that this is part of. The linker defines it; no macro names the machine on every
// processor.
extern "C" const Elf64_Ehdr __ehdr_start __attribute__((visibility("hidden")));

namespace gpt2run {
namespace {

constexpr char kBroken[] = ": not a shared library, or cut short";

// A file with checked access to its bytes.
class Image {
 public:
  // Checks the type of the file before it opens it, because opening a pipe would block.
  explicit Image(const std::filesystem::path& file) : file_(file.string()) {
    struct stat status;
    if (stat(file.c_str(), &status) != 0) fail(file_, ": cannot be read: ", std::strerror(errno));
    if (!S_ISREG(status.st_mode)) fail(file_, ": not a regular file");
    stream_.open(file, std::ios::binary);
    if (!stream_) fail(file_, ": cannot be read: ", std::strerror(errno));
    size_ = static_cast<uint64_t>(status.st_size);
  }

  template <class T>
  T at(uint64_t offset) {
    T value;
    if (++reads_ > kMostReads) fail(file_, ": expected at most ", kMostReads, " sections and symbols, found more");
    read(offset, reinterpret_cast<char*>(&value), sizeof value);
    return value;
  }

  // A zero-terminated text in a string table. All texts together are bounded, since a broken file may have many that
  // overlap.
  std::string text(const Elf64_Shdr& table, uint64_t index) {
    if (index >= table.sh_size) fail(file_, kBroken);
    std::string text;
    for (uint64_t i = table.sh_offset + index;; i = (i / kBlock + 1) * kBlock) {
      require(i, 1);
      const std::string& block = block_at(i / kBlock);
      const size_t from = i % kBlock, end = std::min(block.find('\0', from), block.size());
      text.append(block, from, end - from);
      text_bytes_ += end - from;
      if (text_bytes_ > kMostText) fail(file_, ": has more than ", kMostText, " bytes of names");
      if (end < block.size()) return text;
    }
  }

  // Throws Error unless the file has these bytes.
  void require(uint64_t offset, uint64_t bytes) const {
    if (offset > size_ || size_ - offset < bytes) fail(file_, kBroken);
  }

  const std::string& file() const { return file_; }

 private:
  // Tables and texts may overlap, so that a small file could describe any number of them.
  static constexpr uint64_t kBlock = 1 << 16, kMostText = 1 << 26, kMostReads = 1 << 20, kMostBlocks = 1 << 10;

  void read(uint64_t offset, char* to, uint64_t size) {
    require(offset, size);
    for (uint64_t i = 0; i < size;) {
      const std::string& block = block_at((offset + i) / kBlock);
      const size_t from = (offset + i) % kBlock, count = std::min(size - i, block.size() - from);
      std::memcpy(to + i, block.data() + from, count);
      i += count;
    }
  }

  const std::string& block_at(uint64_t number) {
    if (blocks_.size() >= kMostBlocks) blocks_.clear();
    const auto [place, is_new] = blocks_.try_emplace(number);
    if (is_new) {
      place->second.resize(std::min(kBlock, size_ - number * kBlock));
      stream_.seekg(static_cast<std::streamoff>(number * kBlock));
      if (!stream_.read(place->second.data(), static_cast<std::streamsize>(place->second.size()))) fail(file_, kBroken);
    }
    return place->second;
  }

  std::string file_;
  std::ifstream stream_;
  uint64_t size_, text_bytes_ = 0, reads_ = 0;
  std::unordered_map<uint64_t, std::string> blocks_;  // what was read, by its place in the file
};

Elf64_Ehdr header_of(Image& image) {
  const auto header = image.at<Elf64_Ehdr>(0);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_type != ET_DYN)
    fail(image.file(), ": not a shared library: expected a 64-bit ELF one");
  return header;
}

std::vector<Elf64_Phdr> segments_of(Image& image, const Elf64_Ehdr& header) {
  std::vector<Elf64_Phdr> segments;
  for (unsigned i = 0; i < header.e_phnum; ++i)
    segments.push_back(image.at<Elf64_Phdr>(header.e_phoff + uint64_t{i} * sizeof(Elf64_Phdr)));
  return segments;
}

std::vector<Elf64_Shdr> sections_of(Image& image, const Elf64_Ehdr& header) {
  std::vector<Elf64_Shdr> sections;
  for (unsigned i = 0; i < header.e_shnum; ++i)
    sections.push_back(image.at<Elf64_Shdr>(header.e_shoff + uint64_t{i} * sizeof(Elf64_Shdr)));
  return sections;
}

const Elf64_Shdr& linked(Image& image, const std::vector<Elf64_Shdr>& sections, const Elf64_Shdr& section) {
  if (section.sh_link >= sections.size()) fail(image.file(), kBroken);
  return sections[section.sh_link];
}

void read_symbols(Image& image, const Elf64_Shdr& table, const Elf64_Shdr& names, ElfFacts& facts) {
  for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= table.sh_size; at += sizeof(Elf64_Sym)) {
    const auto symbol = image.at<Elf64_Sym>(table.sh_offset + at);
    const unsigned binding = ELF64_ST_BIND(symbol.st_info), visibility = ELF64_ST_VISIBILITY(symbol.st_other);
    const bool is_global = binding == STB_GLOBAL || binding == STB_WEAK || binding == STB_GNU_UNIQUE;
    const bool is_visible = visibility == STV_DEFAULT || visibility == STV_PROTECTED;
    if (is_global && is_visible && symbol.st_shndx != SHN_UNDEF)
      facts.exported.push_back(image.text(names, symbol.st_name));
  }
}

void read_dynamic(Image& image, const Elf64_Shdr& table, const Elf64_Shdr& names, ElfFacts& facts) {
  for (uint64_t at = 0; at + sizeof(Elf64_Dyn) <= table.sh_size; at += sizeof(Elf64_Dyn)) {
    const auto entry = image.at<Elf64_Dyn>(table.sh_offset + at);
    if (entry.d_tag == DT_NEEDED) facts.needed.push_back(image.text(names, entry.d_un.d_val));
    if (entry.d_tag != DT_RPATH && entry.d_tag != DT_RUNPATH) continue;
    std::istringstream paths(image.text(names, entry.d_un.d_val));
    for (std::string path; std::getline(paths, path, ':');) facts.run_paths.push_back(path);
  }
}

}  // namespace

void check_elf(const std::filesystem::path& file) {
  Image image(file);
  const Elf64_Ehdr header = header_of(image);
  if (header.e_machine != __ehdr_start.e_machine)
    fail(image.file(), ": built for another kind of processor: expected ELF machine ", __ehdr_start.e_machine,
         ", found ", header.e_machine, ": build the plugin for this processor");
  for (const Elf64_Phdr& segment : segments_of(image, header))
    if (segment.p_type == PT_LOAD) image.require(segment.p_offset, segment.p_filesz);
}

ElfFacts read_elf(const std::filesystem::path& file) {
  Image image(file);
  const Elf64_Ehdr header = header_of(image);
  ElfFacts facts;
  const std::vector<Elf64_Shdr> sections = sections_of(image, header);
  for (const Elf64_Shdr& section : sections) {
    if (section.sh_type == SHT_DYNSYM) read_symbols(image, section, linked(image, sections, section), facts);
    if (section.sh_type == SHT_DYNAMIC) read_dynamic(image, section, linked(image, sections, section), facts);
  }
  for (const Elf64_Phdr& segment : segments_of(image, header))
    if (segment.p_type == PT_GNU_STACK && (segment.p_flags & PF_X)) facts.executable_stack = true;
  return facts;
}

}  // namespace gpt2run
