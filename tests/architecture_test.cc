// Rules about the source tree, held against the tree itself. Each checker is first shown a bad
// tree, so that it is known to be able to fail.
#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace plumbline::architecture_test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Includes run from right to left only.
constexpr std::array<absl::string_view, 4> kLayers = {"cache", "engine", "scheduler", "tools"};
// These see all of the above, and nothing above sees them.
constexpr std::array<absl::string_view, 2> kOnlookers = {"tests", "bench"};
constexpr size_t kMaxLines = 300;

struct SourceFile {
  std::string path;  // from the root of the tree, with '/'
  std::string text;
};

absl::string_view FolderOf(absl::string_view path) { return path.substr(0, path.find('/')); }

std::vector<absl::string_view> LinesOf(const SourceFile& file) {
  std::vector<absl::string_view> lines = absl::StrSplit(file.text, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

// "foo/bar.h" with its quotes or angle brackets, or empty where the line includes nothing.
absl::string_view IncludeOf(absl::string_view line) {
  line = absl::StripLeadingAsciiWhitespace(line);
  if (!absl::ConsumePrefix(&line, "#")) return "";
  line = absl::StripLeadingAsciiWhitespace(line);
  if (!absl::ConsumePrefix(&line, "include")) return "";
  line = absl::StripAsciiWhitespace(line);
  const size_t end = line.size() < 2 ? absl::string_view::npos : line.find_first_of("\">", 1);
  return end == absl::string_view::npos ? "" : line.substr(0, end + 1);
}

// A folder's place in kLayers; onlookers stand above all; kLayers.size() + 1 for other words.
size_t RankOf(absl::string_view folder) {
  const auto* layer = std::find(kLayers.begin(), kLayers.end(), folder);
  if (layer != kLayers.end()) return static_cast<size_t>(layer - kLayers.begin());
  const bool onlooker = std::find(kOnlookers.begin(), kOnlookers.end(), folder) != kOnlookers.end();
  return onlooker ? kLayers.size() : kLayers.size() + 1;
}

// One sentence for each include that runs against the direction, or hides its folder.
std::vector<std::string> IncludesAgainstTheDirection(const std::vector<SourceFile>& tree) {
  std::vector<std::string> faults;
  for (const SourceFile& file : tree) {
    const size_t rank = RankOf(FolderOf(file.path));
    for (absl::string_view line : LinesOf(file)) {
      absl::string_view include = IncludeOf(line);
      if (!absl::ConsumePrefix(&include, "\"")) continue;
      absl::ConsumeSuffix(&include, "\"");
      const bool hidden = !absl::StrContains(include, '/') || absl::StrContains(include, "./");
      const size_t wanted = RankOf(FolderOf(include));
      const bool ours = wanted <= kLayers.size();
      if (hidden || (ours && wanted > rank)) {
        faults.push_back(absl::StrCat(file.path, " must not include \"", include, "\""));
      }
    }
  }
  return faults;
}

// Shared by the files that know oneDNN, engine/matmul*.cc.
constexpr std::array<absl::string_view, 4> kOneDnnHeaders = {
    "engine/matmul_calls.h", "engine/matmul_context.h", "engine/matmul_q4.h",
    "engine/matmul_slices.h"};

std::vector<std::string> OneDnnOutsideMatmul(const std::vector<SourceFile>& tree) {
  std::vector<std::string> faults;
  for (const SourceFile& file : tree) {
    if (absl::StartsWith(file.path, "engine/matmul") && absl::EndsWith(file.path, ".cc")) continue;
    const auto names_header = [](absl::string_view text) {
      return std::any_of(kOneDnnHeaders.begin(), kOneDnnHeaders.end(),
                         [=](absl::string_view header) { return absl::StrContains(text, header); });
    };
    if (names_header(file.path)) continue;
    for (absl::string_view line : LinesOf(file)) {
      if (absl::StrContains(IncludeOf(line), "dnnl") || names_header(IncludeOf(line))) {
        faults.push_back(absl::StrCat(file.path, " must not know oneDNN: ", line));
      }
    }
  }
  return faults;
}

std::vector<std::string> LongFiles(const std::vector<SourceFile>& tree) {
  std::vector<std::string> faults;
  for (const SourceFile& file : tree) {
    const size_t lines = LinesOf(file).size();
    if (lines > kMaxLines) faults.push_back(absl::StrCat(file.path, " has ", lines, " lines"));
  }
  return faults;
}

std::vector<std::string> UnfinishedMarks(const std::vector<SourceFile>& tree) {
  // Cut in two, so that this file passes its own check.
  const std::array<std::string, 3> marks = {absl::StrCat("TO", "DO"), absl::StrCat("FIX", "ME"),
                                            absl::StrCat("XX", "X")};
  std::vector<std::string> faults;
  for (const SourceFile& file : tree) {
    for (absl::string_view line : LinesOf(file)) {
      for (const std::string& mark : marks) {
        if (absl::StrContains(line, mark)) faults.push_back(absl::StrCat(file.path, ": ", line));
      }
    }
  }
  return faults;
}

// Code and scripts; everything else (weights, golden files, pictures, prose) is data.
bool IsSource(const std::filesystem::path& path) {
  const std::string extension = path.extension().string();
  static const std::array<std::string, 6> kExtensions = {"", ".h", ".cc", ".py", ".sh", ".cmake"};
  return path.filename() == "CMakeLists.txt" ||
         std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

// The sources in the six folders under `root`.
std::vector<SourceFile> ReadTree(const std::filesystem::path& root) {
  std::vector<std::string> folders;
  folders.reserve(kLayers.size() + kOnlookers.size());
  for (absl::string_view folder : kLayers) folders.emplace_back(folder);
  for (absl::string_view folder : kOnlookers) folders.emplace_back(folder);
  std::vector<SourceFile> tree;
  for (const std::string& folder : folders) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder)) {
      if (!entry.is_regular_file() || !IsSource(entry.path())) continue;
      std::ifstream stream(entry.path(), std::ios::binary);
      tree.push_back({entry.path().lexically_relative(root).generic_string(),
                      std::string(std::istreambuf_iterator<char>(stream), {})});
    }
  }
  return tree;
}

std::string Include(absl::string_view file) { return absl::StrCat("#include \"", file, "\"\n"); }

TEST(ArchitectureCheckTest, FindsIncludesAgainstTheDirection) {
  const std::vector<SourceFile> good = {
      {"cache/a.h", Include("cache/b.h") + Include("absl/types/span.h") + "#include <vector>\n"},
      {"engine/a.cc", Include("engine/a.h") + Include("cache/a.h")},
      {"scheduler/a.cc", Include("engine/a.h") + "// see #include \"tools/a.h\"\n"},
      {"tools/toy/a.cc", Include("cache/a.h") + Include("tools/a.h")},
      {"tests/a.cc", Include("tools/a.h") + Include("tests/a.h") + Include("bench/a.h")}};
  EXPECT_THAT(IncludesAgainstTheDirection(good), IsEmpty());
  const std::vector<SourceFile> bad = {
      {"cache/a.h", "#pragma once\n  #  include \"engine/a.h\"  // why not\n"},
      {"engine/a.cc", Include("scheduler/a.h")},
      {"scheduler/a.cc", Include("cache/a.h") + Include("tools/a.h")},
      {"tools/a.cc", Include("tests/a.h")},
      {"cache/b.cc", Include("../engine/a.h")},
      {"cache/c.cc", Include("b.h")}};
  EXPECT_THAT(IncludesAgainstTheDirection(bad),
              ElementsAre(AllOf(HasSubstr("cache/a.h"), HasSubstr("engine/a.h")),
                          HasSubstr("engine/a.cc"), HasSubstr("tools/a.h"), HasSubstr("tests/a.h"),
                          HasSubstr("cache/b.cc"), HasSubstr("cache/c.cc")));
}

TEST(ArchitectureCheckTest, FindsOneDnnOutsideMatmul) {
  EXPECT_THAT(OneDnnOutsideMatmul({{"engine/matmul.cc", "#include <dnnl.hpp>\n"},
                                   {"engine/matmul_cache.cc", Include("dnnl.hpp")},
                                   {"engine/matmul_calls.h", "#include <dnnl.hpp>\n"},
                                   {"engine/ops.cc", "// dnnl.hpp stays in matmul.cc\n"}}),
              IsEmpty());
  EXPECT_THAT(OneDnnOutsideMatmul({{"engine/ops.cc", "#include <dnnl.hpp>\n"},
                                   {"engine/matmul.h", Include("oneapi/dnnl/dnnl.hpp")},
                                   {"engine/model.cc", Include("engine/matmul_calls.h")},
                                   {"engine/weights.cc", Include("engine/matmul_q4.h")},
                                   {"bench/matmul_bench.cc", Include("dnnl.h")}}),
              ElementsAre(HasSubstr("ops.cc"), HasSubstr("matmul.h"), HasSubstr("model.cc"),
                          HasSubstr("weights.cc"), HasSubstr("bench")));
}

TEST(ArchitectureCheckTest, FindsFilesThatAreTooLong) {
  std::string text;
  for (size_t i = 0; i < kMaxLines; ++i) text += "x\n";
  EXPECT_THAT(LongFiles({{"cache/a.cc", text}, {"cache/empty.cc", ""}}), IsEmpty());
  EXPECT_THAT(LongFiles({{"cache/a.cc", text + "x\n"}, {"cache/b.cc", text + "x"}}),
              ElementsAre("cache/a.cc has 301 lines", "cache/b.cc has 301 lines"));
}

TEST(ArchitectureCheckTest, FindsUnfinishedMarks) {
  EXPECT_THAT(UnfinishedMarks({{"cache/a.cc", "// what is to do\n"}}), IsEmpty());
  EXPECT_THAT(UnfinishedMarks({{"cache/a.cc", absl::StrCat("int a;\n// TO", "DO(me): more\n")},
                               {"cache/b.cc", absl::StrCat("// FIX", "ME\n")}}),
              ElementsAre(HasSubstr("(me)"), HasSubstr("b.cc")));
}

TEST(ArchitectureCheckTest, ReadsSourcesAndLeavesDataOut) {
  const std::filesystem::path root = testing::TempDir() + "/plumbline_architecture_tree";
  std::filesystem::remove_all(root);
  for (const char* folder : {"cache", "engine", "scheduler", "tools/toy", "tests", "bench"}) {
    std::filesystem::create_directories(root / folder);
  }
  std::ofstream(root / "cache/a.cc") << "code\n";
  std::ofstream(root / "tools/check") << "script\n";
  std::ofstream(root / "tools/toy/a.gguf") << "data\n";
  std::ofstream(root / "tests/golden.json") << "data\n";
  std::vector<std::string> paths;
  for (const SourceFile& file : ReadTree(root)) paths.push_back(file.path + " " + file.text);
  EXPECT_THAT(paths, ElementsAre("cache/a.cc code\n", "tools/check script\n"));
  std::filesystem::remove_all(root);
}

class ArchitectureTest : public testing::Test {
 protected:
  const std::vector<SourceFile> tree_ = ReadTree(PLUMBLINE_SOURCE_DIR);
};

TEST_F(ArchitectureTest, TreeIsThere) {
  for (absl::string_view folder : {"cache", "engine", "scheduler", "tools", "tests"}) {
    EXPECT_TRUE(std::any_of(tree_.begin(), tree_.end(), [folder](const SourceFile& file) {
      return FolderOf(file.path) == folder && !file.text.empty();
    })) << folder;
  }
}

TEST_F(ArchitectureTest, IncludesRunOneWay) {
  EXPECT_THAT(IncludesAgainstTheDirection(tree_), IsEmpty());
}

TEST_F(ArchitectureTest, OnlyMatmulKnowsOneDnn) {
  EXPECT_THAT(OneDnnOutsideMatmul(tree_), IsEmpty());
}

TEST_F(ArchitectureTest, FilesAreShort) { EXPECT_THAT(LongFiles(tree_), IsEmpty()); }

TEST_F(ArchitectureTest, NothingIsMarkedUnfinished) {
  EXPECT_THAT(UnfinishedMarks(tree_), IsEmpty());
}

}  // namespace
}  // namespace plumbline::architecture_test
