#include "tests/support/made_profile.h"

namespace plumbline {

MachineProfile MadeProfile(double compute, double memory, double calls) {
  constexpr int kThreads = 2;
  const Rate all = {compute, 0.01};
  const Rate thread = {compute / kThreads, 0.02};
  const Rate bytes = {memory, 0.03};
  MachineProfile profile;
  profile.cpu_model = "made by hand";
  profile.features = {"avx2"};
  profile.threads = kThreads;
  profile.unix_seconds = 1700000000;
  profile.anchors = {2 * compute, memory};
  for (const WeightDtype dtype : {WeightDtype::kF32, WeightDtype::kBf16}) {
    for (const int64_t rows : {1, 512})
      profile.matmuls.push_back({dtype, rows, all, all, all, bytes});
  }
  for (const int64_t mib : {1, 256}) profile.reads.push_back({kThreads, mib << 20, bytes});
  for (const KvDtype dtype : {KvDtype::kF32, KvDtype::kF16, KvDtype::kBf16, KvDtype::kInt8}) {
    for (const int64_t rows : {1, 6}) {
      profile.attention.push_back({dtype, 64, rows, 256, thread, thread, thread});
    }
    profile.streams.push_back({dtype, 256, bytes, bytes, bytes});
    profile.caches.push_back({dtype, thread, thread});
  }
  profile.rows = {thread, thread, thread, thread, thread, thread, thread, thread};
  profile.matmul_calls = {calls, 0.04};
  profile.parallel_regions = {calls, 0.05};
  return profile;
}

}  // namespace plumbline
