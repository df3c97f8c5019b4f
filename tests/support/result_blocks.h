// Blocks of results put together again.
#ifndef PLUMBLINE_TESTS_SUPPORT_RESULT_BLOCKS_H_
#define PLUMBLINE_TESTS_SUPPORT_RESULT_BLOCKS_H_

#include <cstdint>
#include <vector>

#include "engine/result_block.h"

namespace plumbline {

// Puts a block where it belongs in y, [rows, outputs], and expects it to be cut as result_block.h
// says and nothing but NaN to be there yet. Different blocks may be placed by several threads.
void PlaceBlock(const ResultBlock& block, int64_t outputs, std::vector<float>* y);

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_RESULT_BLOCKS_H_
