// What this machine was measured to do: the rates behind every prediction in seconds, and the
// anchors that carry them to the minute at hand. Plain data; how it is measured is
// machine_measure.h's affair, how it is stored that of tools/.
#ifndef PLUMBLINE_ENGINE_MACHINE_PROFILE_H_
#define PLUMBLINE_ENGINE_MACHINE_PROFILE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "cache/kv_geometry.h"
#include "engine/weight_dtype.h"

namespace plumbline {

// Two figures that take some tens of milliseconds to measure. Machines drift: rates of a profile
// are scaled by the anchors of the run that uses them over the anchors of the profile.
struct Anchors {
  double matmul_flops_per_second = 0;  // a large f32 matmul, all threads (FLOPs = 2 MAC)
  double read_bytes_per_second = 0;    // a plain read far larger than every cache, all threads

  bool operator==(const Anchors&) const = default;
};

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_MACHINE_PROFILE_H_
