// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What keys do, in a window and in the terminal alike.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace digfusion::pipelines {

struct Key {
  std::string name;   ///< as X calls it: "f", "question", "Escape"
  std::string blurb;  ///< "the fused picture"; empty: not in help(), another name of a key that is
  std::function<void()> action;
};

/// "f  the fused picture", a line for each key that has a blurb.
std::string keys_help(const std::vector<Key>& keys);

/// Reads single keys from the terminal that standard input is, if it is one, without echo, on the default
/// main context. Its settings come back on destruction, at exit(), and while the program is stopped (Ctrl-Z).
/// In the background the terminal is the shell's: it is left alone until the program is in the foreground
/// again. One at a time in a process; main thread.
class Keys {
 public:
  explicit Keys(std::vector<Key> keys);
  ~Keys();
  Keys(const Keys&) = delete;
  Keys& operator=(const Keys&) = delete;
  /// A key from elsewhere (a window). One that does nothing is ignored; a capital is its letter.
  void press(const std::string& name);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace digfusion::pipelines
