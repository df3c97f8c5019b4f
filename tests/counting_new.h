// What operator new gives in the programs that link counting_new.cc: their own ones count.
#ifndef PLUMBLINE_TESTS_COUNTING_NEW_H_
#define PLUMBLINE_TESTS_COUNTING_NEW_H_

#include <cstdint>

namespace plumbline {

// Calls of operator new since the program began, and bytes of what it gave that nobody has given
// back. What asks for an alignment of its own is not counted. Safe from any thread.
int64_t Allocations();
int64_t LiveBytes();

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_COUNTING_NEW_H_
