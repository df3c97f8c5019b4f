// Rows for a GGUF writer whose every element is known, and the check that they came back.
#ifndef PLUMBLINE_TESTS_SUPPORT_PATTERN_ROWS_H_
#define PLUMBLINE_TESTS_SUPPORT_PATTERN_ROWS_H_

#include <cstdint>

#include "engine/gguf.h"
#include "engine/gguf_writer.h"

namespace plumbline {

// Element `column` of `row`: integers from -8 to 7 with a -8 in every block of 32, which every
// type but Q8_0 holds exactly.
float PatternElement(int64_t row, int64_t column);

// Gives rows of `row_elements` pattern elements.
GgufWriter::RowSource PatternRows(int64_t row_elements);

// Adds a test failure where an element is not the pattern's, but for Q8_0's rounding.
void ExpectPattern(const GgufTensor& tensor);

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_PATTERN_ROWS_H_
