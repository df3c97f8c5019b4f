// `plumbline tokenize`: text to token ids and back.
#ifndef PLUMBLINE_TOOLS_TOKENIZE_H_
#define PLUMBLINE_TOOLS_TOKENIZE_H_

#include <istream>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "engine/tokenizer.h"

namespace plumbline {

struct TokenizeOptions {
  std::string model;           // a GGUF file; only its tokenizer.* keys are looked at
  bool add_bos = true;         // where the vocabulary wants one
  bool parse_special = false;  // control tokens written out in the text become their ids
  bool json = false;           // {"token_ids": [...]} instead of a line of ids
  bool decode = false;         // the other way: ids to bytes
};

// Reads `in` to its end, byte for byte, and writes the ids separated by spaces and a newline; with
// `decode`, reads ids separated by white space and writes exactly the bytes they stand for.
// InvalidArgument for text that the vocabulary cannot express, for a word that is no id of the
// vocabulary (naming the word and its place) and for `json` with `decode`; DataLoss where reading
// or writing fails.
absl::Status RunTokenize(const Tokenizer& tokenizer, const TokenizeOptions& options,
                         std::istream& in, std::ostream& out);

// The same with the tokenizer of the file `options.model`; also what GgufFile::Open and
// LoadTokenizer return.
absl::Status RunTokenize(const TokenizeOptions& options, std::istream& in, std::ostream& out);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_TOKENIZE_H_
