// `plumbline formulas` as users meet it.
#include "tools/formulas.h"

#include <sstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "engine/formula.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/run_binary.h"
#include "tools/claim.h"
#include "tools/formula_table.h"
#include "tools/table.h"

namespace plumbline::formulas_test {
namespace {

using testing::HasSubstr;
using testing::Not;

FormulasOptions Words(const std::vector<std::string>& words) {
  FormulasOptions options;
  options.words = words;
  return options;
}

FormulasOptions TableOf(absl::string_view id) {
  FormulasOptions options;
  options.table = std::string(id);
  return options;
}

FormulasOptions Audit(bool external) {
  FormulasOptions options;
  options.audit = true;
  options.external = external;
  return options;
}

std::string Print(const FormulasOptions& options) {
  std::ostringstream out;
  const absl::Status status = RunFormulas(options, out);
  EXPECT_TRUE(status.ok()) << status;
  return out.str();
}

nlohmann::json PrintJson(FormulasOptions options) {
  options.json = true;
  return nlohmann::json::parse(Print(options));
}

void ExpectFits(const std::string& text) {
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    EXPECT_LE(DisplayWidth(line), kTerminalColumns) << line;
    EXPECT_FALSE(!line.empty() && line.back() == ' ') << "\"" << line << "\"";
  }
}

TEST(FormulasTest, ListHasALineForEachFormula) {
  const std::string list = Print({});
  ExpectFits(list);
  for (const Formula* formula : AllFormulas()) {
    EXPECT_THAT(list, HasSubstr(absl::StrCat("\n", formula->id, " "))) << formula->id;
  }
  EXPECT_EQ(PrintJson({}).at("formulas").size(), 119U);
}

TEST(FormulasTest, ExplainsEachFormula) {
  for (const Formula* formula : AllFormulas()) {
    const FormulasOptions options = Words({std::string(formula->id)});
    const std::string text = Print(options);
    ExpectFits(text);
    EXPECT_THAT(text, HasSubstr(std::string(UnitName(formula->unit))));
    for (const absl::string_view name : FormulaVariables(*formula)) {
      EXPECT_THAT(text, HasSubstr(absl::StrCat("\n  ", name, " "))) << formula->id;
    }
    EXPECT_EQ(PrintJson(options).at("formula"), std::string(formula->expression));
  }
}

TEST(FormulasTest, EvaluatesEachFormula) {
  for (const Formula* formula : AllFormulas()) {
    FormulasOptions options = Words({std::string(formula->id)});
    for (const absl::string_view name : FormulaVariables(*formula)) {
      options.words.push_back(absl::StrCat(name, "=123.5"));
    }
    ExpectFits(Print(options));
    const nlohmann::json json = PrintJson(options);
    EXPECT_TRUE(json.at("value").is_number()) << formula->id;
    EXPECT_EQ(json.contains("flops"), CountsWork(*formula)) << formula->id;
  }
}

TEST(FormulasTest, WorkIsPrintedAsMacAndFlops) {
  const std::string pure = Print(Words({"a1_layer_qkv", "n=4096", "d=768"}));
  EXPECT_THAT(pure, HasSubstr("value        7,247,757,312 MAC, exact\n"));
  EXPECT_THAT(pure, HasSubstr("FLOPs        14,495,514,624 (2 a MAC)\n"));
  const std::string mixed = Print(Words({"A1_ATTN_FLOPS", "n=1024", "d=768"}));
  EXPECT_THAT(mixed, HasSubstr("1,613,758,464 operations, exact\n"));
  EXPECT_THAT(mixed, HasSubstr("MAC          1,610,612,736\n"));
  EXPECT_THAT(mixed, HasSubstr("FLOPs        3,224,371,200 (2 a MAC, 1 for each other"));
}

TEST(FormulasTest, BytesAreNamedInBothUnits) {
  EXPECT_THAT(Print(Words({"A2_KV_BYTES", "L=32", "n=1e5", "d=4096", "b=2"})),
              HasSubstr("52.4288 GB (1e9), 48.8281 GiB (1024^3)\n"));
  EXPECT_THAT(Print(Words({"A1_ATTN_LAYER_MEM_GB", "n=512", "d=768", "h=12", "L=12", "b=2"})),
              HasSubstr("0.10546875 GiB, exact\nbytes        113,246,208\n"));
}

TEST(FormulasTest, SaysHowFarOffAValueMayBe) {
  const FormulasOptions third = Words({"D_PATH_AVG_UNIFORM", "n=1"});
  EXPECT_THAT(Print(third), HasSubstr("0.666666666667 steps, to within "));
  EXPECT_GT(PrintJson(third).at("error_bound").get<double>(), 0);
}

TEST(FormulasTest, TablesFitAndParse) {
  for (const auto& tables : {PrintedTables(), UnprintedTables()}) {
    for (const FormulaTable& table : tables) {
      const FormulasOptions options = TableOf(table.id);
      const std::string text = Print(options);
      ExpectFits(text);
      EXPECT_THAT(text, Not(HasSubstr("~"))) << "a cell is cut";
      const nlohmann::json json = PrintJson(options);
      EXPECT_EQ(json.at("cells").size(), table.rows.size());
      EXPECT_EQ(json.at("values").size(), table.rows.size());
    }
  }
}

TEST(FormulasTest, AuditHasContradictionsFirst) {
  const std::string text = Print(Audit(false));
  ExpectFits(text);
  EXPECT_THAT(text, HasSubstr("46 contradict, 14 round, 62 agree"));
  EXPECT_THAT(text, Not(HasSubstr("E1_")));
  size_t last = 0;
  for (const char* heading : {"== contradicts (46)", "== rounds (14)", "== agrees (62)"}) {
    const size_t at = text.find(heading);
    ASSERT_NE(at, std::string::npos) << heading;
    EXPECT_GT(at, last);
    last = at;
  }
  for (const Claim* claim : AllClaims()) {
    EXPECT_THAT(text, HasSubstr(absl::StrCat("\n", claim->id, ": "))) << claim->id;
  }
}

TEST(FormulasTest, AuditJson) {
  const nlohmann::json json = PrintJson(Audit(true));
  EXPECT_EQ(json.at("claims").size(), 146U);
  EXPECT_EQ(json.at("counts").at("contradicts"), 46);
  EXPECT_EQ(json.at("counts").at("external"), 24);
  EXPECT_EQ(json.at("claims").at(0).at("verdict"), "contradicts");
  ExpectFits(Print(Audit(true)));
}

TEST(FormulasTest, WrongInputIsAnErrorWithAWayOut) {
  const auto message = [](const std::vector<std::string>& words) {
    std::ostringstream out;
    const absl::Status status = RunFormulas(Words(words), out);
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(out.str(), "");
    return std::string(status.message());
  };
  EXPECT_THAT(message({"A1_NONE"}), HasSubstr("`plumbline formulas` lists them"));
  EXPECT_THAT(message({"A1\x1b[2J"}), Not(HasSubstr("\x1b")));
  for (const char* word : {"n", "n=", "=5", "n=five", "n=1,024", "n=1=2", "1024", ""}) {
    EXPECT_THAT(message({"A1_PAIRS", word}), HasSubstr("name=number")) << word;
  }
  EXPECT_THAT(message({"A1_PAIRS", "n=nan"}), HasSubstr("n (tokens)"));
  EXPECT_THAT(message({"A1_PAIRS", "n=1e309"}), HasSubstr("n (tokens)"));
  EXPECT_THAT(message({"A1_LAYER_QKV", "n=1e308", "d=1"}), HasSubstr("n (tokens), d (elements)"));
  std::ostringstream out;
  EXPECT_EQ(RunFormulas(TableOf("T9"), out).code(), absl::StatusCode::kNotFound);
}

TEST(FormulasTest, FullDiskIsDataLoss) {
  std::ostringstream out;
  out.setstate(std::ios::badbit);
  EXPECT_EQ(RunFormulas({}, out).code(), absl::StatusCode::kDataLoss);
}

TEST(FormulasTest, CommandLine) {
  const BinaryResult value = RunPlumbline({"formulas", "A1_PAIRS", "n=32"});
  EXPECT_EQ(value.exit_code, 0);
  EXPECT_THAT(value.out, HasSubstr("1,024 pairs, exact"));
  EXPECT_EQ(RunPlumbline({"formulas", "--table", "t1"}).exit_code, 0);
  EXPECT_EQ(RunPlumbline({"formulas", "--audit", "--json"}).exit_code, 0);
  const BinaryResult missing = RunPlumbline({"formulas", "A1_PEARS", "n=1"});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.err, HasSubstr("there is no formula \"A1_PEARS\""));
  ExpectFits(RunPlumbline({"formulas", "--help"}).out);
}

}  // namespace
}  // namespace plumbline::formulas_test
