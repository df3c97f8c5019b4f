// Blocks of results put together again.
#ifndef PLUMBLINE_TESTS_SUPPORT_RESULT_BLOCKS_H_
#define PLUMBLINE_TESTS_SUPPORT_RESULT_BLOCKS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/matmul.h"
#include "engine/result_block.h"

namespace plumbline {

// Puts a block where it belongs in y, [rows, outputs], and expects it to be cut as result_block.h
// says and nothing but NaN to be there yet. Different blocks may be placed by several threads.
void PlaceBlock(const ResultBlock& block, int64_t outputs, std::vector<float>* y);

// y [rows, outputs] = x W^T by RunInto, which must succeed. x_scales: as there.
// Returns the number of rows that its calls were told of.
int64_t MultiplyInto(PackedMatrix& matrix, int64_t rows, const std::byte* x,
                     const std::vector<float>& x_scales, float* y);

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_RESULT_BLOCKS_H_
