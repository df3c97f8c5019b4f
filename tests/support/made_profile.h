// Machine profiles made by hand: every rate of computing is one number, and so is every one of
// memory, so that a prediction can be worked out on paper.
#ifndef PLUMBLINE_TESTS_SUPPORT_MADE_PROFILE_H_
#define PLUMBLINE_TESTS_SUPPORT_MADE_PROFILE_H_

#include "engine/machine_profile.h"

namespace plumbline {

inline constexpr double kNoLimit = 1e30;  // per second

// Two threads. Products, pairs and elements of all threads together run at `compute`, bytes at
// `memory`, matmul calls and parallel loops at `calls` per second.
MachineProfile MadeProfile(double compute, double memory, double calls);

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_MADE_PROFILE_H_
