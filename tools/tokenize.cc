#include "tools/tokenize.h"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "engine/gguf.h"

namespace plumbline {
namespace {

constexpr size_t kMostWordBytes = 40;  // of a word in a message

absl::StatusOr<std::string> ReadAll(std::istream& in) {
  std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (in.bad()) return absl::DataLossError("reading the input failed; check where it comes from");
  return bytes;
}

absl::StatusOr<std::vector<int32_t>> ParseIds(absl::string_view text, int32_t vocab_size) {
  std::vector<int32_t> ids;
  for (const absl::string_view word :
       absl::StrSplit(text, absl::ByAnyChar(" \t\n\v\f\r"), absl::SkipEmpty())) {
    int32_t id = 0;
    if (!absl::SimpleAtoi(word, &id) || id < 0 || id >= vocab_size) {
      return absl::InvalidArgumentError(
          absl::StrCat("word ", ids.size() + 1, " of the input, \"",
                       absl::CHexEscape(word.substr(0, kMostWordBytes)),
                       "\", is no token id; give numbers from 0 to ", vocab_size - 1));
    }
    ids.push_back(id);
  }
  return ids;
}

absl::StatusOr<std::string> Convert(const Tokenizer& tokenizer, const TokenizeOptions& options,
                                    absl::string_view input) {
  if (options.decode) {
    const absl::StatusOr<std::vector<int32_t>> ids = ParseIds(input, tokenizer.vocab_size());
    if (!ids.ok()) return ids.status();
    return tokenizer.Decode(*ids);
  }
  const absl::StatusOr<std::vector<int32_t>> ids =
      tokenizer.Encode(input, {options.add_bos, options.parse_special});
  if (!ids.ok()) return ids.status();
  if (options.json) return absl::StrCat("{\"token_ids\": [", absl::StrJoin(*ids, ", "), "]}\n");
  return absl::StrCat(absl::StrJoin(*ids, " "), "\n");
}

}  // namespace

absl::Status RunTokenize(const Tokenizer& tokenizer, const TokenizeOptions& options,
                         std::istream& in, std::ostream& out) {
  if (options.decode && options.json) {
    return absl::InvalidArgumentError(
        "--json is for token ids, but --decode writes bytes; leave one of them out");
  }
  const absl::StatusOr<std::string> input = ReadAll(in);
  if (!input.ok()) return input.status();
  const absl::StatusOr<std::string> output = Convert(tokenizer, options, *input);
  if (!output.ok()) return output.status();
  out.write(output->data(), static_cast<std::streamsize>(output->size()));
  out.flush();
  if (!out) return absl::DataLossError("writing the output failed; check where it goes");
  return absl::OkStatus();
}

absl::Status RunTokenize(const TokenizeOptions& options, std::istream& in, std::ostream& out) {
  const absl::StatusOr<std::unique_ptr<GgufFile>> file = GgufFile::Open(options.model);
  if (!file.ok()) return file.status();
  const absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = LoadTokenizer(**file);
  if (!tokenizer.ok()) return tokenizer.status();
  return RunTokenize(**tokenizer, options, in, out);
}

}  // namespace plumbline
