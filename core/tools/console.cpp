// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/console.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace digfusion::tools {
namespace {

std::string two_digits(long long value) { return (value < 10 ? "0" : "") + std::to_string(value); }

std::string wrap_line(std::string_view line, std::size_t width) {
  const std::string indent(std::min(line.find_first_not_of(' '), line.size()), ' ');
  line.remove_prefix(indent.size());
  std::string text, row = indent;
  while (!line.empty()) {
    const std::string_view word = line.substr(0, line.find(' '));
    line.remove_prefix(std::min(word.size() + 1, line.size()));
    const bool is_first = row.size() == indent.size();
    if (!is_first && characters(row) + 1 + characters(word) > width) {
      text += row + '\n';
      row = indent;
    } else if (!is_first) {
      row += ' ';
    }
    row += word;
  }
  return text + row;
}

}  // namespace

Progress::Progress(std::string unit, std::size_t total, bool wanted)
    : unit_(std::move(unit)), total_(total), shown_(wanted && isatty(STDERR_FILENO)) {
  show(0);
}

void Progress::show(std::size_t done) {
  if (!shown_) return;
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin_;
  std::fprintf(stderr, "\r\033[K%s", progress_text(unit_, done, total_, elapsed.count()).c_str());
  std::fflush(stderr);
  on_screen_ = true;
}

void Progress::clear() {
  if (std::exchange(on_screen_, false)) std::fputs("\r\033[K", stderr);
}

std::string progress_text(std::string_view unit, std::size_t done, std::size_t total, double seconds) {
  constexpr std::size_t width = 24;
  const std::size_t filled = total == 0 ? width : width * std::min(done, total) / total;
  std::string text = "[" + std::string(filled, '#') + std::string(width - filled, '-') + "] " +
                     std::to_string(done) + "/" + std::to_string(total) + " " + std::string(unit);
  if (done == 0 || seconds <= 0) return text;
  const double rate = static_cast<double>(done) / seconds;
  text += "  " + number_text(rate, rate < 10 ? 2 : 0) + " " + std::string(unit) + "/s";
  if (done < total) text += "  " + duration_text(static_cast<double>(total - done) / rate) + " left";
  return text;
}

std::string duration_text(double seconds) {
  const long long whole = std::llround(std::clamp(seconds, 0.0, 1e9));
  const long long hours = whole / 3600, minutes = whole / 60 % 60;
  if (hours > 0) return std::to_string(hours) + ":" + two_digits(minutes) + ":" + two_digits(whole % 60);
  return std::to_string(minutes) + ":" + two_digits(whole % 60);
}

std::string wrap(std::string_view text, std::size_t width) {
  std::string result;
  while (true) {
    const std::size_t end = text.find('\n');
    result += wrap_line(text.substr(0, end), width);
    if (end == std::string_view::npos) return result;
    result += '\n';
    text.remove_prefix(end + 1);
  }
}

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](unsigned char byte) { return (byte & 0xC0) != 0x80; }));
}

void print(std::string_view text) {
  errno = 0;
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (std::fflush(stdout) == 0 && written) return;
  const int error = errno;
  throw std::runtime_error("can't write to standard output: " + std::generic_category().message(error));
}

std::string number_text(double value, int decimals) {
  char buffer[384];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed, decimals).ptr;
  return {buffer, end};
}

std::string grouped(long long value) {
  std::string text = std::to_string(value);
  for (std::size_t at = text.size(); at > 3 + (value < 0 ? 1u : 0u);) text.insert(at -= 3, ",");
  return text;
}

}  // namespace digfusion::tools
