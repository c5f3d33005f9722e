// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the command-line program shows besides its results: progress, times, help that fits a terminal.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

namespace digfusion::tools {

/// A bar with rate and time left, one line on standard error, overwritten as work is done; nothing where
/// standard error is no terminal. Calls must not overlap.
class Progress {
 public:
  /// `unit`: what is counted, in the plural ("pictures"). Shows 0 at once unless `wanted` is false.
  Progress(std::string unit, std::size_t total, bool wanted = true);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(std::size_t done);
  /// Makes room for another line; the next show() puts the bar below it.
  void clear();

 private:
  std::string unit_;
  std::size_t total_;
  bool shown_;
  bool on_screen_ = false;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

/// The bar's line: "[######------] 12/42 pictures  3.1 pictures/s  0:10 left".
std::string progress_text(std::string_view unit, std::size_t done, std::size_t total, double seconds);

/// "0:09", "12:34", "1:02:03".
std::string duration_text(double seconds);

/// `text` with line breaks between words, so that no line has more than `width` characters (UTF-8) unless a
/// word has. Line breaks in `text` stay; a line's leading blanks are repeated where it goes on.
std::string wrap(std::string_view text, std::size_t width);

/// Characters of UTF-8, for columns.
std::size_t characters(std::string_view text);

/// Writes all of `text` to standard output. Throws std::runtime_error with the system's reason when that
/// fails.
void print(std::string_view text);

/// Fixed notation in any locale: number_text(1.25, 1) is "1.2".
std::string number_text(double value, int decimals);

/// "1,068,420".
std::string grouped(long long value);

}  // namespace digfusion::tools
