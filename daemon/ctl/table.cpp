#include "daemon/ctl/table.hpp"

#include "base/text.hpp"
#include "daemon/ctl/display.hpp"

#include <algorithm>

namespace keelson::daemon::ctl {

namespace {

constexpr std::size_t kGap = 3;
constexpr std::size_t kNarrowest = 12; // of a column that shrinks

std::string_view sequence_of(Tone tone) {
  switch (tone) {
  case Tone::dim:
    return "\x1b[2m";
  case Tone::strong:
    return "\x1b[1m";
  case Tone::good:
    return "\x1b[32m";
  case Tone::warn:
    return "\x1b[33m";
  case Tone::bad:
    return "\x1b[31m";
  case Tone::accent:
    return "\x1b[36m";
  case Tone::plain:
    break;
  }
  return {};
}

} // namespace

std::string paint(std::string_view text, Tone tone, bool colour) {
  if (!colour || tone == Tone::plain || text.empty()) return std::string(text);
  return fmt::format("{}{}\x1b[0m", sequence_of(tone), text);
}

void Table::add(std::vector<Cell> row) {
  row.resize(columns_.size());
  // Names and messages come from images and other programs: no control characters reach the terminal.
  for (Cell& cell : row) cell.text = printable(cell.text, 4096);
  rows_.push_back(std::move(row));
}

std::vector<std::size_t> Table::widths(const TableOptions& options) const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = options.header ? display_width(columns_[i].title) : 0;
    for (const auto& row : rows_) width = std::max(width, display_width(row[i].text));
    widths.push_back(width);
  }
  if (options.width == 0) return widths;
  std::size_t total = kGap * (columns_.size() - 1);
  for (const std::size_t width : widths) total += width;
  while (total > options.width) {
    std::size_t widest = columns_.size();
    for (std::size_t i = 0; i < columns_.size(); ++i)
      if (columns_[i].shrinks && widths[i] > kNarrowest && (widest == columns_.size() || widths[i] > widths[widest]))
        widest = i;
    if (widest == columns_.size()) break;
    --widths[widest];
    --total;
  }
  return widths;
}

std::string Table::render(const TableOptions& options) const {
  const std::vector<std::size_t> sizes = widths(options);
  std::string out;
  const auto add_line = [&](const auto& cell_at) {
    std::string line;
    std::size_t owed = 0; // spaces, written only before more text: no line ends in spaces
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const Cell& cell = cell_at(i);
      const std::string text = fit(cell.text, sizes[i]);
      const std::size_t slack = sizes[i] - std::min(sizes[i], display_width(text));
      if (columns_[i].right) owed += slack;
      if (!text.empty()) {
        line.append(owed, ' ');
        line += paint(text, cell.tone, options.colour);
        owed = 0;
      } else {
        owed += sizes[i] - slack;
      }
      if (!columns_[i].right) owed += slack;
      owed += kGap;
    }
    out += line + "\n";
  };
  if (options.header) {
    std::vector<Cell> titles;
    for (const Column& column : columns_) titles.emplace_back(column.title, Tone::dim);
    add_line([&](std::size_t i) -> const Cell& { return titles[i]; });
  }
  for (const auto& row : rows_) add_line([&row](std::size_t i) -> const Cell& { return row[i]; });
  return out;
}

} // namespace keelson::daemon::ctl
