// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/device_stream.h"

#include <cstddef>

#include "core/fusion/method.h"
#include "core/tools/bench_frames.h"

namespace digfusion::tools {

DeviceStream::DeviceStream(const Parameters& p, const DeviceChoice& choice, bool graphs, SizeText size,
                           int in_flight, std::optional<at::Device> memory)
    : memory_(memory.value_or(choice.device)),
      frame(make_backend(choice.device),
            p.evidence == EvidenceSource::student ? gradient_student_of(p, choice.device, choice.network)
                                                  : nullptr,
            graphs, in_flight, p.batch_streams),
      output(picture_layout("NV12"), size.width, size.height, 0, memory_),
      other_output_(picture_layout("NV12"), size.width, size.height, 0, memory_),
      parameters_(p) {
  std::vector<BenchFrame> frames = bench_frames(size.width, size.height, 4);
  for (std::size_t n = 0; n < frames.size(); ++n) {
    frames[n].visible.resize(frames[n].infrared.size());  // luma alone
    visible_.emplace_back(picture_layout("NV12"), size.width, size.height, 0, memory_)
        .fill(frames[n].visible, n);
    infrared_.emplace_back(picture_layout("GRAY8"), size.width, size.height, 0, memory_)
        .fill(frames[n].infrared, n);
  }
}

std::array<Image, 2> DeviceStream::sources(int n) const {
  const std::size_t i = std::size_t(n) % visible_.size();
  return {visible_[i].image(), infrared_[i].image()};
}

void DeviceStream::fuse(int n) { frame.fuse(sources(n), {}, {}, output.image(), parameters_); }

}  // namespace digfusion::tools
