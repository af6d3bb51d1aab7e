// The only file that knows yaml-cpp: its parser gives events, which become JSON values here. Its exceptions end here.
#include "api/yaml.hpp"

#include "base/text.hpp"

#include <boost/json/serialize.hpp>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>

namespace keelson::api {

namespace {

constexpr std::string_view kCoreTag = "tag:yaml.org,2002:";

// Thrown through yaml-cpp, which has no other way to stop; caught in parse_yaml().
struct Stop {
  Error error;
};

[[noreturn]] void stop(Code code, const YAML::Mark& mark, std::string_view message) {
  throw Stop{Error{code, 0, fmt::format("YAML line {}: {}", mark.line + 1, message)}};
}

struct Node {
  json::value value;
  std::size_t values = 1; // what a copy of it costs
  bool is_merge = false;  // the plain scalar <<
};

// A list or map that is being read.
struct Open {
  bool is_map = false;
  YAML::anchor_t anchor = 0;
  std::size_t values = 1;
  json::array list;
  json::object map;
  std::vector<json::value> merges;
  std::optional<Node> key;
};

// How a number or word becomes a key, as in sigs.k8s.io/yaml: JSON has only text keys.
std::string key_text(const YAML::Mark& mark, const json::value& key) {
  if (key.is_string()) return std::string(key.get_string());
  if (key.is_bool()) return key.get_bool() ? "true" : "false";
  if (key.is_int64()) return fmt::format("{}", key.get_int64());
  if (key.is_uint64()) return fmt::format("{}", key.get_uint64());
  if (key.is_double()) return fmt::format("{}", key.get_double());
  stop(Code::invalid_argument, mark, key.is_null() ? "a key is null" : "a list or map cannot be a key");
}

class Builder final : public YAML::EventHandler {
 public:
  Builder(const YamlLimits& limits, YamlDocuments& out)
      : limits_(limits)
      , out_(out) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (out_.documents.size() == limits_.max_documents) {
      stop(Code::resource_exhausted, mark, fmt::format("more than {} documents", limits_.max_documents));
    }
    anchors_.clear();
    open_.clear();
    root_ = Node{};
  }
  void OnDocumentEnd() override { out_.documents.push_back(std::move(root_.value)); }

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { finish(mark, anchor, Node{}); }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) stop(Code::invalid_argument, mark, "an alias refers to the value that holds it");
    count(mark, found->second.values);
    place(mark, Node(found->second));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    if (!is_valid_utf8(text)) stop(Code::invalid_argument, mark, "a text is not valid UTF-8");
    Node node;
    node.value = scalar(mark, tag, text);
    node.is_merge = tag == "?" && text == "<<";
    finish(mark, anchor, std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    begin(mark, false, anchor);
  }
  void OnSequenceEnd() override {
    Open done = pop();
    Node node;
    node.value = std::move(done.list);
    node.values = done.values;
    close(done, std::move(node));
  }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    begin(mark, true, anchor);
  }
  void OnMapEnd() override {
    Open done = pop();
    for (const json::value& merge : done.merges) merge_into(done.map, merge);
    Node node;
    node.value = std::move(done.map);
    node.values = done.values;
    close(done, std::move(node));
  }

 private:
  json::value scalar(const YAML::Mark& mark, const std::string& tag, const std::string& text) {
    const bool core = tag.starts_with(kCoreTag);
    const std::string_view type = core ? std::string_view(tag).substr(kCoreTag.size()) : std::string_view();
    if (tag == "!" || type == "str") return json::value(text); // "!": quoted
    if (tag != "?" && !tag.empty() && !core) return json::value(text);
    if (type == "binary") stop(Code::invalid_argument, mark, "!!binary is not supported");
    auto typed = type_plain_scalar(text);
    if (!typed) stop(Code::invalid_argument, mark, typed.error().message);
    if (type == "float" && typed->is_int64()) return json::value(static_cast<double>(typed->get_int64()));
    const bool fits = type.empty() || (type == "int" && (typed->is_int64() || typed->is_uint64())) ||
                      (type == "float" && typed->is_double()) || (type == "bool" && typed->is_bool()) ||
                      (type == "null" && typed->is_null()) || (type == "timestamp" && typed->is_string());
    if (!fits) stop(Code::invalid_argument, mark, fmt::format("\"{}\" is not of type {}", printable(text), type));
    return *typed;
  }

  void count(const YAML::Mark& mark, std::size_t values) {
    total_ += values;
    if (total_ > limits_.max_values) {
      stop(Code::resource_exhausted, mark, fmt::format("more than {} values, aliases counted", limits_.max_values));
    }
  }

  void begin(const YAML::Mark& mark, bool is_map, YAML::anchor_t anchor) {
    if (open_.size() == limits_.max_depth) {
      stop(Code::resource_exhausted, mark, fmt::format("nested deeper than {}", limits_.max_depth));
    }
    count(mark, 1);
    mark_ = mark;
    open_.push_back(Open{is_map, anchor, 1, {}, {}, {}, {}});
  }

  void finish(const YAML::Mark& mark, YAML::anchor_t anchor, Node node) {
    count(mark, 1);
    if (anchor != 0) anchors_[anchor] = node;
    place(mark, std::move(node));
  }

  Open pop() {
    Open done = std::move(open_.back());
    open_.pop_back();
    return done;
  }

  void close(const Open& done, Node node) {
    if (done.anchor != 0) {
      count(mark_, node.values); // kept for aliases: a second copy
      anchors_[done.anchor] = node;
    }
    place(mark_, std::move(node));
  }

  void place(const YAML::Mark& mark, Node node) {
    mark_ = mark;
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    parent.values += node.values;
    if (!parent.is_map) {
      parent.list.push_back(std::move(node.value));
    } else if (!parent.key) {
      if (!node.is_merge) node.value = json::value(key_text(mark, node.value));
      parent.key = std::move(node);
    } else {
      add_member(mark, parent, std::move(node));
    }
  }

  void add_member(const YAML::Mark& mark, Open& parent, Node node) {
    const Node key = std::move(*parent.key);
    parent.key.reset();
    if (key.is_merge) {
      add_merge(mark, parent, std::move(node.value));
      return;
    }
    const auto& name = key.value.get_string();
    if (parent.map.contains(name) && out_.warnings.size() < 100) {
      out_.warnings.push_back(fmt::format("line {}: key \"{}\" is given twice; the last one counts", mark.line + 1,
                                          printable(std::string_view(name))));
    }
    parent.map[name] = std::move(node.value);
  }

  void add_merge(const YAML::Mark& mark, Open& parent, json::value value) {
    const bool is_list = value.is_array();
    const auto is_map = [](const json::value& v) { return v.is_object(); };
    if (!is_map(value) && !(is_list && std::all_of(value.get_array().begin(), value.get_array().end(), is_map))) {
      stop(Code::invalid_argument, mark, "<< needs a map or a list of maps");
    }
    if (!is_list) {
      parent.merges.push_back(std::move(value));
      return;
    }
    for (json::value& element : value.get_array()) parent.merges.push_back(std::move(element));
  }

  // What the map has itself stays; of two merged maps the first one counts.
  static void merge_into(json::object& map, const json::value& merged) {
    for (const auto& member : merged.get_object()) {
      if (!map.contains(member.key())) map[member.key()] = member.value();
    }
  }

  const YamlLimits& limits_;
  YamlDocuments& out_;
  std::map<YAML::anchor_t, Node> anchors_; // complete values of this document
  std::vector<Open> open_;
  Node root_;
  YAML::Mark mark_;
  std::size_t total_ = 0;
};

constexpr std::size_t kLongestImplicitKey = 1000; // YAML 1.1 allows 1024 characters, the parser counts bytes

bool needs_quotes(std::string_view text) {
  const auto typed = type_plain_scalar(text);
  if (!typed || !typed->is_string()) return true;
  const auto is_safe = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '/' ||
           c == '.';
  };
  const auto is_inner = [&](char c) { return is_safe(c) || c == '-'; };
  return !is_safe(text.front()) || !std::all_of(text.begin(), text.end(), is_inner);
}

// JSON's string form is a YAML double-quoted scalar.
std::string scalar_text(const json::value& v) {
  if (v.is_string()) {
    const std::string_view text(v.get_string().data(), v.get_string().size());
    return needs_quotes(text) ? json::to_text(v) : std::string(text);
  }
  if (v.is_object()) return "{}";
  if (v.is_array()) return "[]";
  return json::to_text(v);
}

bool is_block(const json::value& v) {
  return (v.is_object() && !v.get_object().empty()) || (v.is_array() && !v.get_array().empty());
}

void write(std::string& out, const json::value& v, std::size_t indent, bool first_inline) {
  if (!is_block(v)) {
    out += scalar_text(v) + "\n";
    return;
  }
  const auto pad = [&] {
    if (!first_inline) out.append(indent, ' ');
    first_inline = false;
  };
  if (const json::object* object = v.if_object()) {
    for (const auto& member : *object) {
      pad();
      const std::string key = scalar_text(json::value(member.key()));
      const bool is_explicit = key.size() > kLongestImplicitKey;
      out += is_explicit ? "? " + key + "\n" + std::string(indent, ' ') + ":" : key + ":";
      const bool stays = member.value().is_array() && !is_explicit;
      out += is_block(member.value()) ? "\n" : " ";
      write(out, member.value(), indent + (stays ? 0 : 2), false);
    }
    return;
  }
  for (const json::value& element : v.get_array()) {
    pad();
    out += "- ";
    write(out, element, indent + 2, true);
  }
}

} // namespace

Result<YamlDocuments> parse_yaml(std::string_view text, const YamlLimits& limits) {
  if (text.size() > limits.max_size) {
    return fail(Code::resource_exhausted, "YAML text has {} bytes, more than {}", text.size(), limits.max_size);
  }
  YamlDocuments out;
  Builder builder(limits, out);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (Stop& stopped) {
    return Fail(std::move(stopped.error));
  } catch (const YAML::Exception& error) {
    return fail(Code::invalid_argument, "YAML line {}: {}", error.mark.line + 1, printable(error.msg));
  } catch (const std::exception& error) {
    return fail(Code::invalid_argument, "YAML: {}", printable(error.what()));
  }
  return out;
}

std::string to_yaml(const json::value& v) {
  std::string out;
  write(out, v, 0, false);
  return out;
}

} // namespace keelson::api
