// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A picture of a running pipeline as a PNG file.
#pragma once

#include <gst/gst.h>

#include <functional>
#include <memory>
#include <string>

namespace digfusion::pipelines {

/// Watches a pad with raw video. Encoding and writing hold nobody up.
class Snapshot {
 public:
  /// Takes a reference to the pad. Throws Failure where PNG can't be encoded.
  explicit Snapshot(GstPad* pad);
  ~Snapshot();  ///< the pipeline must be in the state NULL
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  /// Writes the next picture that passes the pad to `path`, which is there in full or not at all. `done` is
  /// called on the main thread, with an empty text, or why it couldn't be; never after this has been
  /// destroyed.
  void take(const std::string& path, std::function<void(const std::string&)> done);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace digfusion::pipelines
