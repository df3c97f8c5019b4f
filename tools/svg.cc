#include "tools/svg.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "engine/utf8.h"

namespace plumbline {
namespace {

struct Attribute {
  std::string name;
  std::string value;  // as written, entities and all
};

struct Tag {
  std::string name;
  std::vector<Attribute> attributes;
  bool opens = true;         // not </name>
  bool closes_self = false;  // <name ... />
};

bool IsSpace(char c) { return absl::ascii_isspace(static_cast<unsigned char>(c)); }

void SkipSpace(absl::string_view& text) {
  while (!text.empty() && IsSpace(text[0])) text.remove_prefix(1);
}

// Takes a name off the front; empty where there is none.
absl::string_view TakeName(absl::string_view& text) {
  const auto* end = std::find_if(text.begin(), text.end(), [](char c) {
    return IsSpace(c) || c == '=' || c == '/' || c == '>' || c == '<' || c == '"' || c == '\'';
  });
  const absl::string_view name = text.substr(0, static_cast<size_t>(end - text.begin()));
  text.remove_prefix(name.size());
  return name;
}

// Takes a name, "=" and a quoted value off the front.
std::optional<Attribute> TakeAttribute(absl::string_view& text) {
  Attribute attribute;
  attribute.name = std::string(TakeName(text));
  SkipSpace(text);
  if (attribute.name.empty() || !absl::ConsumePrefix(&text, "=")) return std::nullopt;
  SkipSpace(text);
  if (text.empty() || (text[0] != '"' && text[0] != '\'')) return std::nullopt;
  const size_t end = text.find(text[0], 1);
  if (end == absl::string_view::npos) return std::nullopt;
  // Written with double quotes again.
  attribute.value = absl::StrReplaceAll(text.substr(1, end - 1), {{"\"", "&quot;"}});
  text.remove_prefix(end + 1);
  return attribute;
}

// Takes a tag off the front. REQUIRES: `text` starts with "<".
std::optional<Tag> TakeTag(absl::string_view& text) {
  text.remove_prefix(1);
  Tag tag;
  tag.opens = !absl::ConsumePrefix(&text, "/");
  tag.name = std::string(TakeName(text));
  if (tag.name.empty()) return std::nullopt;
  for (;;) {
    SkipSpace(text);
    if (absl::ConsumePrefix(&text, "/>")) {
      tag.closes_self = true;
      return tag;
    }
    if (absl::ConsumePrefix(&text, ">")) return tag;
    std::optional<Attribute> attribute = TakeAttribute(text);
    if (!attribute.has_value()) return std::nullopt;
    tag.attributes.push_back(*std::move(attribute));
  }
}

bool IsReference(const std::string& name) { return name == "href" || name == "xlink:href"; }

std::string WithText(const Tag& tag) {
  std::string out = absl::StrCat(tag.opens ? "<" : "</", tag.name);
  for (const Attribute& attribute : tag.attributes) {
    absl::StrAppend(&out, " ", attribute.name, "=\"", attribute.value, "\"");
  }
  return out + (tag.closes_self ? "/>" : ">");
}

// The document as a walk over its tags, which keeps what is safe.
class Embedder {
 public:
  Embedder(absl::string_view document, const SvgNames& names) : rest_(document), names_(names) {}

  // Empty where the document is not as expected.
  std::string Run() {
    const size_t start = rest_.find("<svg");
    if (start == absl::string_view::npos) return "";
    rest_.remove_prefix(start);
    while (!done_ && !rest_.empty()) {
      const size_t next = std::min(rest_.find('<'), rest_.size());
      if (skipped_.empty()) absl::StrAppend(&out_, rest_.substr(0, next));
      rest_.remove_prefix(next);
      if (!rest_.empty() && !Step()) return "";
    }
    return done_ && seen_view_box_ ? out_ : "";
  }

 private:
  bool Step() {
    if (absl::StartsWith(rest_, "<!--")) {
      const size_t end = rest_.find("-->");
      if (end == absl::string_view::npos) return false;
      rest_.remove_prefix(end + 3);
      return true;
    }
    std::optional<Tag> tag = TakeTag(rest_);
    if (!tag.has_value()) return false;
    const bool first = open_.empty() && tag->opens;
    const bool kept = skipped_.empty();
    if (tag->opens && !tag->closes_self) open_.push_back(tag->name);
    if (!tag->opens) {
      if (open_.empty() || open_.back() != tag->name) return false;
      open_.pop_back();
    }
    done_ = open_.empty();
    if (!kept) {
      if (!tag->opens && open_.size() == skipped_depth_) skipped_.clear();
      return true;
    }
    if (IsUnwanted(*tag)) {
      if (!tag->closes_self) {
        skipped_ = tag->name;
        skipped_depth_ = open_.size() - 1;
      }
      return true;
    }
    Clean(*tag);
    absl::StrAppend(&out_, first ? Root(*tag) : WithText(*tag));
    return true;
  }

  // What can run, change the page around it or fetch; and the document's own titles, which browsers
  // show as hints.
  static bool IsUnwanted(const Tag& tag) {
    constexpr std::array<absl::string_view, 6> kUnwanted = {"script", "style", "foreignObject",
                                                            "image",  "title", "desc"};
    return tag.opens && std::find(kUnwanted.begin(), kUnwanted.end(), tag.name) != kUnwanted.end();
  }

  void Clean(Tag& tag) const {
    std::vector<Attribute> kept;
    for (Attribute& attribute : tag.attributes) {
      const bool handler = absl::StartsWithIgnoreCase(attribute.name, "on");
      const bool outside = absl::StrContains(attribute.value, "url(") &&
                           !absl::StrContains(attribute.value, "url(#");
      if (handler || outside) continue;
      if (attribute.name == "id") attribute.value = absl::StrCat(names_.id, "-", attribute.value);
      if (IsReference(attribute.name)) {
        if (!absl::StartsWith(attribute.value, "#")) continue;
        attribute = {"href", absl::StrCat("#", names_.id, "-", attribute.value.substr(1))};
      } else {
        attribute.value = absl::StrReplaceAll(attribute.value,
                                              {{"url(#", absl::StrCat("url(#", names_.id, "-")}});
      }
      kept.push_back(std::move(attribute));
    }
    tag.attributes = std::move(kept);
  }

  // The picture takes its size from where it stands; viewBox keeps its proportions.
  std::string Root(const Tag& tag) {
    Tag root = {"svg", {{"xmlns", "http://www.w3.org/2000/svg"}}, true, false};
    for (const Attribute& attribute : tag.attributes) {
      if (attribute.name != "viewBox") continue;
      seen_view_box_ = true;
      root.attributes.push_back(attribute);
    }
    root.attributes.push_back({"width", "100%"});
    root.attributes.push_back({"role", "img"});
    const std::string title = absl::StrCat(names_.id, "-title");
    const std::string description = absl::StrCat(names_.id, "-desc");
    root.attributes.push_back({"aria-labelledby", absl::StrCat(title, " ", description)});
    return absl::StrCat(WithText(root), "\n<title id=\"", title, "\">", EscapeMarkup(names_.title),
                        "</title>\n<desc id=\"", description, "\">",
                        EscapeMarkup(names_.description), "</desc>\n");
  }

  absl::string_view rest_;
  const SvgNames names_;
  std::string out_;
  std::vector<std::string> open_;  // names of the elements around this place
  std::string skipped_;            // the element that is being left out
  size_t skipped_depth_ = 0;       // elements around it
  bool done_ = false;
  bool seen_view_box_ = false;
};

bool IsId(absl::string_view id) {
  return !id.empty() && absl::ascii_isalpha(static_cast<unsigned char>(id[0])) &&
         std::all_of(id.begin(), id.end(),
                     [](char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); });
}

}  // namespace

std::string EscapeMarkup(absl::string_view text) {
  std::string clean;
  while (!text.empty()) {
    const auto bytes = static_cast<size_t>(Utf8CharBytes(text));
    const auto first = static_cast<unsigned char>(text[0]);
    const bool control = first < 0x20 && first != '\n' && first != '\t';
    const bool c1 = bytes == 2 && first == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0;
    const bool bad = bytes == 0 || control || c1 || first == 0x7F;
    absl::StrAppend(&clean, bad ? "?" : text.substr(0, bytes));
    text.remove_prefix(std::max<size_t>(1, bytes));
  }
  return absl::StrReplaceAll(
      clean, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}});
}

absl::StatusOr<std::string> EmbedSvg(absl::string_view document, const SvgNames& names) {
  if (!IsId(names.id)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a picture's id needs a letter, then letters and digits, but is '",
                     EscapeMarkup(names.id), "'"));
  }
  std::string svg = Embedder(document, names).Run();
  if (svg.empty()) {
    return absl::InternalError(
        absl::StrCat("a picture needs one svg element with a viewBox and balanced tags, but the ",
                     document.size(), " bytes drawn hold none"));
  }
  return svg;
}

}  // namespace plumbline
