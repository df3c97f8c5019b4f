#include "engine/pretokenizer.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "engine/gguf_reader.h"
#include "engine/utf8.h"

// PCRE2 asks for the width of a character before its header.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace plumbline {
namespace {

using Pieces = std::vector<absl::string_view>;

// \p{Wspace} is Unicode's White_Space; PCRE2's \s also has U+180E, which Unicode took out.
constexpr const char* kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{Wspace}\p{L}\p{N}]+)"
    R"(|\p{Wspace}+(?!\P{Wspace}))";
constexpr const char* kLlama3Pattern =
    R"('[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})"
    R"(| ?[^\p{Wspace}\p{L}\p{N}]+[\r\n]*|\p{Wspace}*[\r\n]+|\p{Wspace}+(?!\P{Wspace}))"
    R"(|\p{Wspace}+)";
// Llama 3's but for digits, one by one.
constexpr const char* kQwen2Pattern =
    R"('[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})"
    R"(| ?[^\p{Wspace}\p{L}\p{N}]+[\r\n]*|\p{Wspace}*[\r\n]+|\p{Wspace}+(?!\P{Wspace}))"
    R"(|\p{Wspace}+)";

constexpr const char* kGpt2Stages[] = {kGpt2Pattern};
constexpr const char* kLlama3Stages[] = {kLlama3Pattern};
constexpr const char* kQwen2Stages[] = {kQwen2Pattern};
constexpr const char* kStarcoderStages[] = {R"(\p{N})", kGpt2Pattern};
constexpr const char* kDefaultStages[] = {R"([\p{P}$+<=>^~|]+)", kGpt2Pattern, R"(\p{N}+)",
                                          R"([0-9][0-9][0-9])"};

struct Family {
  absl::string_view name;
  // Applied one after the other: each cuts the pieces of the one before into its matches and what
  // lies between them, and sees nothing beyond a piece.
  absl::Span<const char* const> stages;
  bool keeps_whole_tokens;
  bool adds_bos;
};

constexpr Family kFamilies[] = {
    {"default", kDefaultStages, false, false},     {"gpt-2", kGpt2Stages, false, false},
    {"llama-bpe", kLlama3Stages, true, true},      {"llama3", kLlama3Stages, true, true},
    {"llama-v3", kLlama3Stages, true, true},       {"qwen2", kQwen2Stages, false, false},
    {"starcoder", kStarcoderStages, false, false},
};

struct CodeDeleter {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct MatchDataDeleter {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
struct MatchContextDeleter {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};
using Code = std::unique_ptr<pcre2_code, CodeDeleter>;
using MatchData = std::unique_ptr<pcre2_match_data, MatchDataDeleter>;
using MatchContext = std::unique_ptr<pcre2_match_context, MatchContextDeleter>;

// What one Split needs besides the patterns; not shared between threads.
struct Scratch {
  MatchData data;
  MatchContext context;
};

std::string PcreMessage(int error) {
  PCRE2_UCHAR message[256] = {};
  pcre2_get_error_message(error, message, sizeof(message));
  return reinterpret_cast<const char*>(message);
}

absl::StatusOr<Code> Compile(absl::string_view pattern) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  Code code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                          PCRE2_UTF | PCRE2_UCP, &error, &offset, nullptr));
  if (code == nullptr) {
    return absl::InternalError(absl::StrCat("PCRE2 refuses a pattern at byte ", offset, ": ",
                                            PcreMessage(error),
                                            "; PCRE2 10.40 or later is needed"));
  }
  // Only for speed: where machine code is not allowed, the interpreter does the same.
  pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);
  return code;
}

absl::Status MatchError(int error, size_t text_bytes) {
  const std::string message =
      absl::StrCat("PCRE2 gives up on a text of ", text_bytes, " bytes: ", PcreMessage(error));
  switch (error) {
    case PCRE2_ERROR_MATCHLIMIT:
    case PCRE2_ERROR_DEPTHLIMIT:
    case PCRE2_ERROR_HEAPLIMIT:
    case PCRE2_ERROR_JIT_STACKLIMIT:
    case PCRE2_ERROR_NOMEMORY:
      return absl::ResourceExhaustedError(message + "; tokenize it in smaller parts");
    default:
      return absl::InternalError(message);
  }
}

// Cuts `text` (valid UTF-8) into matches of `code` and what lies between them.
absl::Status Cut(const pcre2_code* code, const Scratch& scratch, absl::string_view text,
                 Pieces& pieces) {
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(scratch.data.get());
  size_t at = 0;
  while (at < text.size()) {
    // PCRE2 would check all the rest of the text at every match: quadratic. Split did it once.
    const int found = pcre2_match(code, subject, text.size(), at, PCRE2_NO_UTF_CHECK,
                                  scratch.data.get(), scratch.context.get());
    if (found == PCRE2_ERROR_NOMATCH) break;
    if (found < 0) return MatchError(found, text.size());
    if (ends[1] <= at) return absl::InternalError("a pattern of the pre-tokenizer matched nothing");
    if (ends[0] > at) pieces.push_back(text.substr(at, ends[0] - at));
    pieces.push_back(text.substr(ends[0], ends[1] - ends[0]));
    at = ends[1];
  }
  if (at < text.size()) pieces.push_back(text.substr(at));
  return absl::OkStatus();
}

// Bytes at the start of `text` that are valid UTF-8.
size_t ValidBytes(absl::string_view text) {
  size_t valid = 0;
  while (const int num_bytes = Utf8CharBytes(text.substr(valid))) {
    valid += static_cast<size_t>(num_bytes);
  }
  return valid;
}

uint32_t StepLimit(uint32_t steps_per_byte, size_t text_bytes) {
  constexpr uint64_t kMax = std::numeric_limits<uint32_t>::max();
  const uint64_t bytes = std::min<uint64_t>(text_bytes, kMax);
  return static_cast<uint32_t>(std::min(kMax, steps_per_byte * bytes));
}

}  // namespace

struct Pretokenizer::Impl {
  const Family* family = nullptr;
  std::vector<Code> stages;
  uint32_t steps_per_byte = 0;

  absl::StatusOr<Scratch> MakeScratch(size_t text_bytes) const {
    // Two numbers: the patterns have no groups.
    Scratch scratch{MatchData(pcre2_match_data_create(1, nullptr)),
                    MatchContext(pcre2_match_context_create(nullptr))};
    if (scratch.data == nullptr || scratch.context == nullptr) {
      return absl::ResourceExhaustedError("no memory for PCRE2's match data; free some and retry");
    }
    pcre2_set_match_limit(scratch.context.get(), StepLimit(steps_per_byte, text_bytes));
    return scratch;
  }

  // All the stages on a stretch of valid UTF-8.
  absl::Status SplitValid(const Scratch& scratch, absl::string_view text, Pieces& pieces) const {
    Pieces before = {text};
    Pieces after;
    for (const Code& stage : stages) {
      after.clear();
      for (const absl::string_view piece : before) {
        const absl::Status status = Cut(stage.get(), scratch, piece, after);
        if (!status.ok()) return status;
      }
      before.swap(after);
    }
    pieces.insert(pieces.end(), before.begin(), before.end());
    return absl::OkStatus();
  }
};

Pretokenizer::Pretokenizer(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Pretokenizer::Pretokenizer(Pretokenizer&&) noexcept = default;
Pretokenizer& Pretokenizer::operator=(Pretokenizer&&) noexcept = default;
Pretokenizer::~Pretokenizer() = default;

absl::StatusOr<Pretokenizer> Pretokenizer::Make(absl::string_view name, absl::string_view file_name,
                                                uint32_t steps_per_byte) {
  const auto* family = std::find_if(std::begin(kFamilies), std::end(kFamilies),
                                    [name](const Family& one) { return one.name == name; });
  if (family == std::end(kFamilies)) {
    const auto append_name = [](std::string* out, const Family& one) {
      absl::StrAppend(out, one.name);
    };
    const std::string known = absl::StrJoin(kFamilies, ", ", append_name);
    return GgufError(file_name, {.field = "tokenizer.ggml.pre",
                                 .needed = absl::StrCat("a known pre-tokenizer (", known, ")"),
                                 .had = GgufQuote(name),
                                 .fix = "use a file with one of these"});
  }
  auto impl = std::make_unique<Impl>();
  impl->family = family;
  impl->steps_per_byte = steps_per_byte;
  for (const char* pattern : family->stages) {
    absl::StatusOr<Code> code = Compile(pattern);
    if (!code.ok()) return code.status();
    impl->stages.push_back(*std::move(code));
  }
  return Pretokenizer(std::move(impl));
}

absl::StatusOr<Pieces> Pretokenizer::Split(absl::string_view text) const {
  const absl::StatusOr<Scratch> scratch = impl_->MakeScratch(text.size());
  if (!scratch.ok()) return scratch.status();
  Pieces pieces;
  while (!text.empty()) {
    const size_t valid_bytes = ValidBytes(text);
    if (valid_bytes == 0) {
      pieces.push_back(text.substr(0, 1));
      text.remove_prefix(1);
      continue;
    }
    const absl::Status status = impl_->SplitValid(*scratch, text.substr(0, valid_bytes), pieces);
    if (!status.ok()) return status;
    text.remove_prefix(valid_bytes);
  }
  return pieces;
}

bool Pretokenizer::keeps_whole_tokens() const { return impl_->family->keeps_whole_tokens; }
bool Pretokenizer::adds_bos() const { return impl_->family->adds_bos; }

}  // namespace plumbline
