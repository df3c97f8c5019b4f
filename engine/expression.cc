#include "engine/expression.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/formula.h"

namespace plumbline {
namespace {

constexpr int kMaxDepth = 64;  // of brackets

size_t NameLength(absl::string_view text) {
  size_t length = 0;
  while (length < text.size() && (absl::ascii_isalnum(text[length]) || text[length] == '_')) {
    ++length;
  }
  return length;
}

// Digits with a point and an exponent, such as 0.7, 12, 1.5e9.
size_t NumberLength(absl::string_view text) {
  size_t length = 0;
  while (length < text.size() && (absl::ascii_isdigit(text[length]) || text[length] == '.')) {
    ++length;
  }
  if (length + 1 < text.size() && text[length] == 'e' && absl::ascii_isdigit(text[length + 1])) {
    ++length;
    while (length < text.size() && absl::ascii_isdigit(text[length])) ++length;
  }
  return length;
}

bool IsFunction(absl::string_view name) {
  constexpr absl::string_view kFunctions[] = {"min", "max", "floor", "ceil", "sqrt", "log2"};
  return std::find(std::begin(kFunctions), std::end(kFunctions), name) != std::end(kFunctions);
}

const Argument* Find(absl::Span<const Argument> arguments, absl::string_view name) {
  const auto* found = std::find_if(arguments.begin(), arguments.end(),
                                   [name](const Argument& a) { return a.name == name; });
  return found == arguments.end() ? nullptr : found;
}

// Reads and evaluates at once. After the first error `rest_` is empty, so that every loop ends.
class Reader {
 public:
  Reader(absl::string_view text, std::vector<Argument> arguments)
      : rest_(text), arguments_(std::move(arguments)) {}

  absl::StatusOr<Bounded> Expression() {
    const Bounded value = Sum();
    if (Peek() != '\0') Fail(absl::StrCat("it cannot be read from \"", rest_, "\" on"));
    if (!status_.ok()) return status_;
    return value;
  }

  absl::StatusOr<std::vector<Argument>> Bindings() {
    while (status_.ok() && Peek() != '\0') {
      arguments_.push_back(Binding());
      if (Peek() != '\0' && !Take(',')) Fail("a comma is needed between values");
    }
    if (!status_.ok()) return status_;
    return std::move(arguments_);
  }

 private:
  char Peek() {
    rest_ = absl::StripLeadingAsciiWhitespace(rest_);
    return rest_.empty() ? '\0' : rest_[0];
  }

  bool Take(char c) {
    if (Peek() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  absl::string_view TakeFront(size_t length) {
    const absl::string_view front = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return front;
  }

  Bounded Fail(absl::string_view problem) {
    if (status_.ok()) status_ = absl::InvalidArgumentError(problem);
    rest_ = {};
    return {};
  }

  Bounded Finite(const Bounded& value) {
    return std::isfinite(value.value) ? value : Fail("it has no finite value there");
  }

  Bounded Sum() {
    if (++depth_ > kMaxDepth) return Fail("its brackets are too deep");
    Bounded sum = Product();
    for (;;) {
      if (Take('+')) {
        sum = Finite(sum + Product());
      } else if (Take('-')) {
        sum = Finite(sum - Product());
      } else {
        --depth_;
        return sum;
      }
    }
  }

  Bounded Product() {
    Bounded product = Power();
    for (;;) {
      if (Take('*')) {
        product = Finite(product * Power());
      } else if (Take('/')) {
        const Bounded divisor = Power();
        if (status_.ok() && divisor.value == 0) return Fail("it divides by zero there");
        product = Finite(product / divisor);
      } else {
        return product;
      }
    }
  }

  Bounded Power() {
    const Bounded base = Term();
    if (!Take('^')) return base;
    const char digit = Peek();
    if (digit < '1' || digit > '9') return Fail("a power from 1 to 9 is needed behind \"^\"");
    rest_.remove_prefix(1);
    Bounded power = base;
    for (char i = '1'; i < digit; ++i) power = Finite(power * base);
    return power;
  }

  Bounded Term() {
    const char next = Peek();
    if (Take('(')) {
      const Bounded value = Sum();
      return Take(')') ? value : Fail("a closing bracket is missing");
    }
    if (Take('-')) return Negative();
    if (absl::ascii_isdigit(next)) return Number();
    const absl::string_view name = TakeFront(NameLength(rest_));
    if (name.empty()) return Fail("a number or a name is missing");
    if (Take('(')) return IsFunction(name) ? Function(name) : Call(name);
    const Argument* argument = Find(arguments_, name);
    return argument != nullptr ? argument->value : Fail(absl::StrCat(name, " has no value"));
  }

  Bounded Negative() {
    if (++depth_ > kMaxDepth) return Fail("its signs are too many");
    const Bounded value = Term();
    --depth_;
    return {-value.value, value.error};
  }

  Bounded Number() {
    const absl::string_view digits = TakeFront(NumberLength(rest_));
    double value = 0;
    if (!absl::SimpleAtod(digits, &value)) return Fail(absl::StrCat(digits, " is no number"));
    return Finite(FromDecimal(value));
  }

  Bounded Function(absl::string_view name) {
    const bool two = name == "min" || name == "max";
    const Bounded a = Sum();
    Bounded b;
    if (two) b = Take(',') ? Sum() : Fail(absl::StrCat(name, " takes two values"));
    if (!Take(')')) return Fail("a closing bracket is missing");
    if (name == "min") return Min(a, b);
    if (name == "max") return Max(a, b);
    if (name == "floor") return Floor(a);
    if (name == "ceil") return Ceil(a);
    return Finite(name == "sqrt" ? Sqrt(a) : Log2(a));
  }

  Argument Binding() {
    Peek();
    const absl::string_view name = TakeFront(NameLength(rest_));
    if (Take('=')) return {name, Sum()};
    const Argument* argument = Find(arguments_, name);
    if (argument == nullptr) Fail(absl::StrCat("\"", name, "\" has no value"));
    return {name, argument != nullptr ? argument->value : Bounded{}};
  }

  Bounded Call(absl::string_view id) {
    const Formula* formula = FindFormula(id);
    if (formula == nullptr) return Fail(absl::StrCat("there is no formula ", id));
    std::vector<Argument> values;
    while (status_.ok() && !Take(')')) {
      values.push_back(Binding());
      if (Peek() != ')' && !Take(',')) Fail("a closing bracket is missing");
    }
    if (!status_.ok()) return {};
    const std::vector<absl::string_view> needed = NeededNames(formula->expression);
    if (values.size() != needed.size()) {
      return Fail(absl::StrCat(id, " takes ", absl::StrJoin(needed, ", ")));
    }
    const absl::StatusOr<Bounded> value = Evaluate(formula->expression, values);
    return value.ok() ? *value : Fail(value.status().message());
  }

  absl::string_view rest_;
  std::vector<Argument> arguments_;
  absl::Status status_;
  int depth_ = 0;
};

// What a name in an expression is.
enum class NameRole { kValue, kCall, kKey };

std::vector<absl::string_view> NamesOf(absl::string_view text, NameRole wanted) {
  std::vector<absl::string_view> names;
  while (!text.empty()) {
    if (const size_t number = NumberLength(text); number > 0) {
      text.remove_prefix(number);
      continue;
    }
    const absl::string_view name = text.substr(0, NameLength(text));
    text.remove_prefix(std::max<size_t>(1, name.size()));
    if (name.empty() || IsFunction(name)) continue;
    const absl::string_view behind = absl::StripLeadingAsciiWhitespace(text);
    NameRole role = NameRole::kValue;
    if (!behind.empty() && behind[0] == '(') role = NameRole::kCall;
    if (!behind.empty() && behind[0] == '=') role = NameRole::kKey;
    if (role == wanted && std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(name);
    }
  }
  return names;
}

}  // namespace

absl::StatusOr<Bounded> Evaluate(absl::string_view text, absl::Span<const Argument> arguments) {
  return Reader(text, {arguments.begin(), arguments.end()}).Expression();
}

absl::StatusOr<std::vector<Argument>> EvaluateBindings(absl::string_view text,
                                                       std::vector<Argument> arguments) {
  return Reader(text, std::move(arguments)).Bindings();
}

std::vector<absl::string_view> NeededNames(absl::string_view text) {
  return NamesOf(text, NameRole::kValue);
}

std::vector<absl::string_view> CalledFormulas(absl::string_view text) {
  return NamesOf(text, NameRole::kCall);
}

}  // namespace plumbline
