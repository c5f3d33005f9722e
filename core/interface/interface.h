// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The one door between libdigfusion.so and whoever opens it with dlopen (the GStreamer plugin, other
// programs). Plain structs, borrowed pointers, errors as values; no torch type, no exception crosses it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/parameters/parameters.h"

namespace digfusion {

/// Raised with every change of a type or a virtual function below.
inline constexpr std::uint32_t abi_version = 9;

enum class ErrorCode : int {
  none = 0,
  invalid_argument,  ///< a parameter or a picture that can't be fused
  model,             ///< a model file that is missing, damaged or of another network
  device,            ///< a device that isn't there or failed
  out_of_memory,
  internal,  ///< anything else; the message is LibTorch's or the standard library's
};

struct Status {
  ErrorCode code = ErrorCode::none;
  char message[1024] = {};  ///< what was wrong, where, what to do; UTF-8, empty when code is none
  bool ok() const { return code == ErrorCode::none; }
};

/// Y'CbCr matrix; `rgb` for RGB pictures, whose luma is then BT.601's (as OpenCV's BGR→GRAY).
enum class Matrix : int { rgb, bt601, bt709, bt2020, smpte240m, fcc };
enum class Range : int { full, limited };

struct Plane {
  std::uint8_t* data;     ///< borrowed; never written to in a source picture
  std::ptrdiff_t stride;  ///< bytes from one row to the next
  std::size_t row_bytes;  ///< bytes of a row that hold samples
  int rows;
};

/// Where the samples of one component lie: as GstVideoFormatInfo describes them.
struct Component {
  int plane;
  int offset;        ///< bytes from the row's start to the first sample
  int pixel_stride;  ///< bytes from one sample to the next
  int depth;         ///< significant bits, 8..16; samples of more than 8 bits are 16-bit words
  int shift;         ///< bits below the significant ones (P010: 6)
  int w_sub, h_sub;  ///< log2 of the horizontal and vertical subsampling
};

/// Where a picture's samples are.
enum class Memory : int { host, cuda };

/// A picture in somebody else's memory. Components are Y, U, V, A, or R, G, B, A where `is_rgb`.
struct Image {
  int width = 0, height = 0;  ///< luma samples, 16×16 to 4096×2160 (either way round)
  bool is_rgb = false;
  Matrix matrix = Matrix::bt601;
  Range range = Range::full;
  bool big_endian = false;    ///< 16-bit words; else little-endian. Of infrared pictures of one component
  double pixel_aspect = 1.0;  ///< width over height of a pixel
  int components = 0;
  Component component[4] = {};
  int planes = 0;
  Plane plane[4] = {};
  Memory memory = Memory::host;
  int device = 0;  ///< of Memory::cuda: the CUDA ordinal; everything that wrote there is done
};

inline constexpr int max_sources = 8;

/// Mean and 95th percentile over the last (up to) 1,000 frames.
struct StageTime {
  char name[32];
  double mean_ms, p95_ms;
};

struct Statistics {
  std::uint64_t frames = 0;  ///< fused since load()
  std::uint64_t evaluations =
      0;  ///< network evaluations for the last frame, pictures in a batch counted singly
  int stages = 0;
  StageTime stage[4] = {};  ///< in the order of a frame's way; the last is "total"
  int parts = 0;
  StageTime part[8] = {};   ///< of the stage "fuse", in order, where the method tells them (on the CPU)
  char device[64] = {};     ///< "cpu", "cuda:0"
  char precision[16] = {};  ///< of the network in use
  char model[4096] = {};    ///< the file in use
};

inline constexpr double unknown = __builtin_nan("");

/// What fuse() found in its last pictures; numbers that nothing is known of are `unknown`.
struct FrameReport {
  int levels = 0;
  double weight_mean[16] =
      {};  ///< of each noise level, the most noisy first: the infrared source's mean weight
  double black_value = unknown, white_value = unknown;      ///< infrared values at both ends of gray
  double black_celsius = unknown, white_celsius = unknown;  ///< the same by `radiometry`
  /// What registration-refine adds: how far it moves the picture's centre, in visible pixels, by how many
  /// degrees it turns it, and how sure it is, 0..1.
  double refined_x = unknown, refined_y = unknown, refined_degrees = unknown, confidence = unknown;
  bool camera_moved = false;  ///< further than registration-limit: what was found isn't applied
};

enum class LogLevel : int { info, warning };
using LogSink = void (*)(void* user, LogLevel level, const char* message);

/// One stream's fusion. Calls must not overlap, except that statistics() may be called at any time; any
/// thread may make them. Nothing throws.
class StreamFuser {
 public:
  virtual ~StreamFuser() = default;

  /// Reads the models and takes the device. Seconds on a cold disk. Calling it again starts over.
  virtual Status load(const Parameters& parameters, LogSink sink, void* user) noexcept = 0;

  /// Changes the parameters whose mutability is `playing`, from the next frame on; others keep load()'s
  /// values.
  virtual Status configure(const Parameters& parameters) noexcept = 0;

  /// Evaluates once at this size, so that the first frame takes as long as the others.
  virtual Status warm_up(int width, int height) noexcept = 0;

  /// sources[0] is the visible picture: it gives size, chroma and alpha; the luma of all is fused.
  /// 2 <= count <= max_sources. `output` has the layout (components, planes, size) of sources[0] and shares
  /// no memory with any source; with mode=side-by-side it is twice as wide. On failure `output` is
  /// unspecified and the stream's state is as before.
  virtual Status fuse(const Image* sources, std::size_t count, const Image& output) noexcept = 0;

  /// How many frames may be begun before the oldest of them is finished: 2 where a GPU overlaps them
  /// (`frames-in-flight`), else 1. May change with configure().
  virtual int frames_in_flight() const noexcept = 0;

  /// The first half of fuse(): starts a frame, and returns before it is done where a GPU works on it. Until
  /// its finish() the pictures stay as they are and where they are; the Image structs needn't. A frame whose
  /// begin() failed isn't finished; those begun before it are. Errors of more frames than
  /// frames_in_flight(): invalid_argument.
  virtual Status begin(const Image* sources, std::size_t count, const Image& output) noexcept = 0;

  /// The second half, of the oldest frame that was begun: waits for it; its output holds the fused picture
  /// then. configure(), reset(), warm_up() and fuse() are for when no frame is begun; load() drops those that
  /// are.
  virtual Status finish() noexcept = 0;

  /// Forgets the stream's past (seek, flush, discontinuity); keeps the models and the statistics.
  virtual void reset() noexcept = 0;

  virtual Statistics statistics() const noexcept = 0;

  /// Of the last frame that was finished. For the thread that calls fuse().
  virtual FrameReport report() const noexcept = 0;
};

}  // namespace digfusion

extern "C" {
/// The core's own abi_version; look this up first.
std::uint32_t digfusion_abi_version();
/// A new StreamFuser that the caller deletes with `delete`, or null, with the reason in `status`, when the
/// caller's abi_version or sizeof(Parameters) isn't the core's.
digfusion::StreamFuser* digfusion_create(std::uint32_t abi_version, std::size_t parameters_size,
                                         digfusion::Status* status);
}
