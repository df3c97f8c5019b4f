#include "engine/machine.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

#include "engine/cgroup.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace plumbline::machine_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kMiB = int64_t{1} << 20;
constexpr int64_t kNone = std::numeric_limits<int64_t>::max();

// A folder that stands for "/", filled by the test and removed after it.
class MachineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = ::testing::TempDir() + "machine_" +
            ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(root_);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) const {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  void WriteMeminfo() const {
    Write("/proc/meminfo",
          "MemTotal:       16384 kB\nMemFree:         100 kB\nMemAvailable:   8192 kB\n");
  }

  std::string root_;
};

TEST_F(MachineTest, ReadsCpuAndMemory) {
  WriteMeminfo();
  Write("/proc/cpuinfo",
        "processor\t: 0\nmodel name\t: Plain CPU 9000\n"
        "flags\t\t: fpu avx2 avx512f avx512_bf16x avx512_vnni\n\n"
        "processor\t: 1\nmodel name\t: Other\nflags\t\t: avx512_bf16\n");
  const Machine machine = DetectMachine(root_);
  EXPECT_EQ(machine.cpu_model, "Plain CPU 9000");
  EXPECT_THAT(machine.features, ElementsAre("avx2", "avx512f", "avx512_vnni"));
  EXPECT_TRUE(machine.Has("avx2"));
  EXPECT_FALSE(machine.Has("avx512_bf16"));
  EXPECT_EQ(machine.free_memory_bytes, 8 * kMiB);
  EXPECT_EQ(machine.total_memory_bytes, 16 * kMiB);
  EXPECT_EQ(machine.memory_limit, "MemAvailable");
  EXPECT_GE(machine.cores, 1);
}

TEST_F(MachineTest, TheLargestCacheIsTheLast) {
  const std::string cache = "/sys/devices/system/cpu/cpu0/cache/index";
  Write(cache + "0/size", "32K\n");
  Write(cache + "2/size", "2048K\n");
  Write(cache + "3/size", "1M\n");  // not as the system writes
  EXPECT_EQ(DetectMachine(root_).last_level_cache_bytes, 2 * kMiB);
}

TEST_F(MachineTest, MissingFilesAreNoLimit) {
  const Machine machine = DetectMachine(root_);
  EXPECT_EQ(machine.last_level_cache_bytes, 0);
  EXPECT_EQ(machine.free_memory_bytes, kNone);
  EXPECT_EQ(machine.total_memory_bytes, kNone);
  EXPECT_THAT(machine.features, IsEmpty());
  EXPECT_EQ(machine.cores, DetectMachine(root_ + "/nowhere").cores);
  const CgroupLimits limits = ReadCgroupLimits(root_);
  EXPECT_EQ(limits.free_memory_bytes, kNone);
  EXPECT_EQ(limits.cpus, std::numeric_limits<double>::infinity());
}

TEST_F(MachineTest, HonoursEveryLevelOfVersion2) {
  WriteMeminfo();
  const std::string top = "/sys/fs/cgroup";
  Write("/proc/self/cgroup", "0::/outer/inner\n");
  Write(top + "/outer/inner/memory.max", "max\n");
  Write(top + "/outer/inner/memory.current", "1048576\n");
  Write(top + "/outer/inner/cpu.max", "max 100000\n");
  Write(top + "/outer/memory.max", "6291456\n");
  Write(top + "/outer/memory.current", "4194304\n");
  Write(top + "/outer/memory.stat", "anon 1\ninactive_file 1048576\nactive_file 1048576\n");
  Write(top + "/outer/cpu.max", "50000 100000\n");
  const Machine machine = DetectMachine(root_);
  EXPECT_EQ(machine.free_memory_bytes, 3 * kMiB);  // 6 - (4 - 1)
  EXPECT_EQ(machine.total_memory_bytes, 6 * kMiB);
  EXPECT_EQ(machine.memory_limit, root_ + top + "/outer/memory.max");
  EXPECT_EQ(machine.cores, 1);
  EXPECT_EQ(ReadCgroupLimits(root_).cpus, 0.5);
}

TEST_F(MachineTest, TheTightestLevelWins) {
  Write("/proc/self/cgroup", "0::/a/b\n");
  Write("/sys/fs/cgroup/a/b/memory.max", "8388608\n");
  Write("/sys/fs/cgroup/a/b/memory.current", "1048576\n");
  Write("/sys/fs/cgroup/a/b/cpu.max", "300000 100000\n");
  Write("/sys/fs/cgroup/a/memory.max", "16777216\n");
  Write("/sys/fs/cgroup/a/memory.current", "15728640\n");
  Write("/sys/fs/cgroup/a/cpu.max", "250000 100000\n");
  CgroupLimits limits = ReadCgroupLimits(root_);
  EXPECT_EQ(limits.free_memory_bytes, kMiB) << "the outer group is nearly full";
  EXPECT_EQ(limits.memory_limit_bytes, 8 * kMiB);
  EXPECT_EQ(limits.cpus, 2.5);
  Write("/sys/fs/cgroup/a/memory.current", "20971520\n");
  limits = ReadCgroupLimits(root_);
  EXPECT_EQ(limits.free_memory_bytes, 0) << "use beyond the limit leaves nothing, not less";
}

TEST_F(MachineTest, ReadsVersion1) {
  WriteMeminfo();
  Write("/proc/self/cgroup", "4:memory:/job/task\n2:cpu,cpuacct:/job\n1:name=systemd:/\n0::/\n");
  const std::string memory = "/sys/fs/cgroup/memory";
  Write(memory + "/memory.limit_in_bytes", "9223372036854771712\n");
  Write(memory + "/memory.usage_in_bytes", "999999999999\n");
  Write(memory + "/job/memory.limit_in_bytes", "4194304\n");
  Write(memory + "/job/memory.usage_in_bytes", "3145728\n");
  Write(memory + "/job/memory.stat", "inactive_file 7\ntotal_inactive_file 524288\n");
  Write(memory + "/job/task/memory.limit_in_bytes", "9223372036854771712\n");
  Write("/sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "120000\n");
  Write("/sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n");
  Write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  Write("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  const Machine machine = DetectMachine(root_);
  EXPECT_EQ(machine.free_memory_bytes, kMiB + kMiB / 2);
  EXPECT_EQ(machine.memory_limit, root_ + memory + "/job/memory.limit_in_bytes");
  EXPECT_EQ(machine.cores, 1) << "a quota of 1.2 feeds one core";
}

TEST_F(MachineTest, FollowsTheMounts) {
  Write("/proc/self/cgroup", "5:memory:/docker/abc\n0::/docker/abc\n");
  // Version 1 shows the container's own group at its mount point; version 2 lies elsewhere.
  Write("/proc/self/mountinfo",
        "30 23 0:26 / /sys rw - sysfs sysfs rw\n"
        "35 31 0:32 /docker/abc /groups/mem rw,relatime shared:9 - cgroup cgroup rw,memory\n"
        "41 31 0:38 / /groups/unified rw,relatime - cgroup2 cgroup2 rw\n");
  Write("/groups/mem/memory.limit_in_bytes", "5242880\n");
  Write("/groups/mem/memory.usage_in_bytes", "1048576\n");
  Write("/groups/unified/docker/abc/memory.max", "3145728\n");
  Write("/groups/unified/docker/abc/memory.current", "0\n");
  CgroupLimits limits = ReadCgroupLimits(root_);
  EXPECT_EQ(limits.free_memory_bytes, 3 * kMiB);
  Write("/groups/unified/docker/abc/memory.max", "max\n");
  limits = ReadCgroupLimits(root_);
  EXPECT_EQ(limits.free_memory_bytes, 4 * kMiB);
  EXPECT_EQ(limits.free_memory_file, root_ + "/groups/mem/memory.limit_in_bytes");
}

TEST_F(MachineTest, AGroupOutsideTheViewIsTheMountPoint) {
  Write("/proc/self/cgroup", "0::/../../elsewhere\n");
  Write("/sys/fs/cgroup/memory.max", "2097152\n");
  EXPECT_EQ(ReadCgroupLimits(root_).free_memory_bytes, 2 * kMiB);
}

TEST_F(MachineTest, NonsenseIsNoLimit) {
  WriteMeminfo();
  Write("/proc/self/cgroup", "garbage\n::\n0::\n");
  Write("/proc/self/mountinfo", "a - b\n - \n1 2 3 4 - cgroup2\n");
  Write("/sys/fs/cgroup/memory.max", "lots\n");
  Write("/sys/fs/cgroup/cpu.max", "0 0\n");
  const Machine machine = DetectMachine(root_);
  EXPECT_EQ(machine.free_memory_bytes, 8 * kMiB);
  EXPECT_GE(machine.cores, 1);
}

TEST(DetectMachineTest, ThisMachineHasMemoryAndCores) {
  const Machine machine = DetectMachine();
  EXPECT_GE(machine.cores, 1);
  EXPECT_GT(machine.free_memory_bytes, 0);
  EXPECT_LT(machine.free_memory_bytes, kNone);
  EXPECT_LE(machine.free_memory_bytes, machine.total_memory_bytes);
}

// Sets a variable for one scope, and puts back what was there.
class ScopedEnv {
 public:
  ScopedEnv(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    value == nullptr ? unsetenv(name) : setenv(name, value, 1);
  }
  ~ScopedEnv() { old_ ? setenv(name_, old_->c_str(), 1) : unsetenv(name_); }
  ScopedEnv(const ScopedEnv&) = delete;
  ScopedEnv& operator=(const ScopedEnv&) = delete;

 private:
  const char* name_;
  std::optional<std::string> old_;
};

TEST(HasFastBf16Test, FollowsTheCpuAndTheIsaLimit) {
  const bool has = DetectMachine().Has("avx512_bf16");
  const ScopedEnv clear("ONEDNN_MAX_CPU_ISA", nullptr);
  const ScopedEnv clear_old("DNNL_MAX_CPU_ISA", nullptr);
  EXPECT_EQ(HasFastBf16(), has);
  for (const char* name : {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"}) {
    for (const char* below : {"AVX2", "avx512_core", "AVX512_CORE_VNNI", "SSE41"}) {
      const ScopedEnv limit(name, below);
      EXPECT_FALSE(HasFastBf16()) << name << "=" << below;
    }
    for (const char* above : {"ALL", "AVX512_CORE_BF16", "avx512_core_amx", "AVX512_CORE_FP16"}) {
      const ScopedEnv limit(name, above);
      EXPECT_EQ(HasFastBf16(), has) << name << "=" << above;
    }
  }
  const ScopedEnv old_name("DNNL_MAX_CPU_ISA", "AVX2");
  const ScopedEnv new_name("ONEDNN_MAX_CPU_ISA", "ALL");
  EXPECT_EQ(HasFastBf16(), has) << "the newer name comes first";
}

TEST(HasTilesTest, FollowsTheCpuAndTheIsaLimit) {
  const Machine machine = DetectMachine();
  const bool has = machine.Has("amx_bf16") && machine.Has("amx_int8") && machine.Has("avx512_bf16");
  const ScopedEnv clear("ONEDNN_MAX_CPU_ISA", nullptr);
  const ScopedEnv clear_old("DNNL_MAX_CPU_ISA", nullptr);
  EXPECT_EQ(HasTiles(), has);
  for (const char* below : {"AVX2", "AVX512_CORE", "avx512_core_bf16"}) {
    const ScopedEnv limit("ONEDNN_MAX_CPU_ISA", below);
    EXPECT_FALSE(HasTiles()) << below;
  }
  for (const char* above : {"ALL", "avx512_core_amx"}) {
    const ScopedEnv limit("ONEDNN_MAX_CPU_ISA", above);
    EXPECT_EQ(HasTiles(), has) << above;
  }
}

}  // namespace
}  // namespace plumbline::machine_test
