// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/common/keys.h"

#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace digfusion::pipelines {
namespace {

constexpr int terminal = STDIN_FILENO;
constexpr unsigned background_check = 500;  ///< milliseconds

// --- the terminal's settings; signal handlers use them, so they are no class's
termios given, single_keys;
volatile sig_atomic_t changed = 0;

bool in_foreground() { return tcgetpgrp(terminal) == getpgrp(); }

// Setting the terminal from the background would stop the program.
void set_single_keys() {
  if (!in_foreground()) return;
  tcsetattr(terminal, TCSANOW, &single_keys);
  changed = 1;
}

void restore() {
  if (changed && in_foreground()) tcsetattr(terminal, TCSANOW, &given);
  changed = 0;
}

/// Ctrl-Z: the shell gets its terminal as it was; execution goes on here when the program is continued.
void on_stop(int signal_number) {
  const int error = errno;
  const bool was_changed = changed;
  restore();
  struct sigaction standard = {}, ours;
  standard.sa_handler = SIG_DFL;
  sigaction(signal_number, &standard, &ours);
  raise(signal_number);
  sigaction(signal_number, &ours, nullptr);
  if (was_changed) set_single_keys();
  errno = error;
}

// --- names
struct Special {
  char byte;         ///< from a terminal
  const char* name;  ///< X's
  const char* shown;
};
constexpr Special special_keys[] = {
    {'?', "question", "?"},    {' ', "space", "Space"}, {'\n', "Return", "Enter"},
    {'\r', "Return", "Enter"}, {'\t', "Tab", "Tab"},    {'\033', "Escape", "Esc"},
};

std::string name_of(char byte) {
  for (const Special& key : special_keys)
    if (byte == key.byte) return key.name;
  return std::isalnum(static_cast<unsigned char>(byte)) ? std::string(1, byte) : std::string();
}

/// How many bytes the key at the front of `bytes` sent. Cursor and function keys send several, of which the
/// first is that of Escape (ECMA-48: CSI, SS3), and so do keys pressed together with Alt.
std::size_t key_length(std::string_view bytes) {
  if (bytes[0] != '\033' || bytes.size() == 1) return 1;
  if (bytes[1] != '[') return std::min<std::size_t>(bytes[1] == 'O' ? 3 : 2, bytes.size());
  for (std::size_t i = 2; i < bytes.size(); ++i)
    if (bytes[i] >= '@' && bytes[i] <= '~') return i + 1;
  return bytes.size();
}

std::string shown(const std::string& name) {
  for (const Special& key : special_keys)
    if (name == key.name) return key.shown;
  return name;
}

}  // namespace

std::string keys_help(const std::vector<Key>& keys) {
  std::size_t width = 0;
  for (const Key& key : keys)
    if (!key.blurb.empty()) width = std::max(width, shown(key.name).size());
  std::string lines;
  for (const Key& key : keys) {
    if (key.blurb.empty()) continue;
    std::string name = shown(key.name);
    name.resize(width + 2, ' ');
    lines += (lines.empty() ? "" : "\n") + name + key.blurb;
  }
  return lines;
}

struct Keys::State {
  std::vector<Key> keys;
  guint source = 0;
  struct sigaction stop_before = {};
  bool reads = false;  ///< standard input is a terminal

  void press(const std::string& name);
  void attach();
  bool read_keys();
};

void Keys::State::press(const std::string& name) {
  const auto find = [this](const std::string& wanted) {
    return std::find_if(keys.begin(), keys.end(), [&](const Key& key) { return key.name == wanted; });
  };
  auto key = find(name);
  if (key == keys.end() && name.size() == 1)
    key = find(std::string(1, char(std::tolower(static_cast<unsigned char>(name[0])))));
  if (key != keys.end()) key->action();
}

/// Reads from now on, or looks later whether it may.
void Keys::State::attach() {
  if (in_foreground()) {
    set_single_keys();
    source = g_unix_fd_add(
        terminal, GIOCondition(G_IO_IN | G_IO_HUP | G_IO_ERR),
        [](gint, GIOCondition, gpointer state) -> gboolean {
          return static_cast<State*>(state)->read_keys();
        },
        this);
  } else {
    source = g_timeout_add(
        background_check,
        [](gpointer state) -> gboolean {
          static_cast<State*>(state)->attach();
          return G_SOURCE_REMOVE;
        },
        this);
  }
}

bool Keys::State::read_keys() {
  if (!in_foreground()) {  // what is typed is meant for the shell, and reading it would stop the program
    attach();
    return G_SOURCE_REMOVE;
  }
  char bytes[64];
  const ssize_t count = read(terminal, bytes, sizeof bytes);
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return G_SOURCE_CONTINUE;
  if (count <= 0) {  // the terminal is gone
    source = 0;
    return G_SOURCE_REMOVE;
  }
  std::string_view left(bytes, std::size_t(count));
  while (!left.empty()) {
    const std::size_t length = key_length(left);
    if (length == 1) press(name_of(left[0]));
    left.remove_prefix(length);
  }
  return G_SOURCE_CONTINUE;
}

Keys::Keys(std::vector<Key> keys) : state_(std::make_unique<State>()) {
  state_->keys = std::move(keys);
  if (!isatty(terminal) || tcgetattr(terminal, &given) != 0) return;
  state_->reads = true;
  single_keys = given;
  single_keys.c_lflag &= ~tcflag_t(ICANON | ECHO);  // ISIG stays: Ctrl-C is a signal
  single_keys.c_cc[VMIN] = 1;
  single_keys.c_cc[VTIME] = 0;
  [[maybe_unused]] static const int once = std::atexit(restore);
  struct sigaction action = {};
  action.sa_handler = on_stop;
  action.sa_flags = SA_RESTART | SA_NODEFER;  // on_stop() raises it again
  sigaction(SIGTSTP, nullptr, &state_->stop_before);
  if (state_->stop_before.sa_handler != SIG_IGN) sigaction(SIGTSTP, &action, nullptr);
  state_->attach();
}

Keys::~Keys() {
  if (!state_->reads) return;
  if (state_->source) g_source_remove(state_->source);
  sigaction(SIGTSTP, &state_->stop_before, nullptr);
  restore();
}

void Keys::press(const std::string& name) { state_->press(name); }

}  // namespace digfusion::pipelines
