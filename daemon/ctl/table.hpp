// Tables for people: aligned columns, two or three spaces apart, calm colours. Pure: rows in, text out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace keelson::daemon::ctl {

enum class Tone { plain, dim, strong, good, warn, bad, accent };

// Text in a tone, when colours are wanted.
std::string paint(std::string_view text, Tone tone, bool colour);

struct Cell {
  Cell() = default;
  Cell(std::string t, Tone c = Tone::plain) // NOLINT(google-explicit-constructor): rows are written as lists of texts
      : text(std::move(t))
      , tone(c) {}
  Cell(const char* t) // NOLINT(google-explicit-constructor)
      : text(t) {}
  std::string text;
  Tone tone = Tone::plain;
};

struct Column {
  std::string title;
  bool right = false;   // numbers
  bool shrinks = false; // cut when the terminal is too narrow
};

struct TableOptions {
  bool colour = false;
  std::size_t width = 0; // of the terminal; 0: no limit
  bool header = true;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns)
      : columns_(std::move(columns)) {}
  void add(std::vector<Cell> row); // as many cells as columns; missing ones are empty
  std::size_t rows() const { return rows_.size(); }
  std::string render(const TableOptions& options) const;

 private:
  std::vector<std::size_t> widths(const TableOptions& options) const;
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

} // namespace keelson::daemon::ctl
