// What this machine has: CPU features, usable cores and memory, with cgroup limits honoured.
#ifndef PLUMBLINE_ENGINE_MACHINE_H_
#define PLUMBLINE_ENGINE_MACHINE_H_

#include <cstdint>
#include <string>
#include <vector>

namespace plumbline {

struct Machine {
  std::string cpu_model;
  std::vector<std::string> features;  // of the ones that matter here: "avx2", "avx512f", ...
  int cores = 1;                      // usable by this process: affinity and cgroup quota honoured
  // Memory that can still be taken: MemAvailable, or what the cgroup (version 1 or 2, every level
  // up to the root) leaves, whichever is less.
  int64_t free_memory_bytes = 0;
  int64_t total_memory_bytes = 0;  // MemTotal, or the least cgroup limit where that is less
  std::string memory_limit;  // what bounds free_memory_bytes: "MemAvailable" or the cgroup's file
  int64_t last_level_cache_bytes = 0;  // of the first CPU; 0: the system does not say

  bool Has(const char* feature) const;
};

// Reads /proc and /sys below `root` ("" for the real ones; tests give a folder of their own).
// Missing files count as no limit. Safe from any thread.
Machine DetectMachine(const std::string& root = "");

// Whether bf16 matmuls run in hardware here (AVX512_BF16, and oneDNN not held back by
// ONEDNN_MAX_CPU_ISA).
bool HasFastBf16();
// Whether bf16 and int8 are multiplied in tile registers (AMX), and oneDNN is not held back either.
bool HasTiles();

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_MACHINE_H_
