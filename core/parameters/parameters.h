// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Every setting of a fusion, written once: the element's properties, the command line's options and the
// tables in docs/ are all made from `parameter_table()`. Knows neither torch nor GStreamer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

namespace digfusion {

/// How the two pictures become one (docs/algorithm.md).
enum class Method : int { guided, bandwise, amortised, gradient };
/// The reverse step of guided sampling: equation (1) of Dig2DIG, or DDIM (arXiv 2010.02502).
enum class Sampler : int { ddpm, ddim };
/// Variance of a DDPM step: β̃, β, or what the network learned (core/diffusion/steps.h).
enum class Variance : int { fixed_small, fixed_large, learned };
/// How sampling steps are spread over the T timesteps: t_i = round((T-1)(1-i/N)^p), p = 1 or 2.
enum class Spacing : int { uniform, quadratic };
/// l of equation (8).
enum class Distance : int { l2, l1, ssim, none };
/// Whether information gain is a map, or one number for a picture.
enum class Extent : int { pixel, global };
/// What a step does to x̂0: pulls it to the weighted sources, by a constant or by v_t/(v_t+λ²), or DDFM's
/// EM correction (core/fusion/em.h).
enum class Guidance : int { constant, posterior, em };
/// What the coarsest band of `bandwise` and `amortised` is made of.
enum class Base : int { average, mixed, maximum };
/// Whether each level of `bandwise` and `amortised` has its own weights, or all and the base share theirs.
enum class BandWeights : int { separate, joint };
/// Where the weights of `gradient` come from, beside gradient energy (core/fusion/gradient_evidence.h).
enum class EvidenceSource : int { gradient, scale_space, student, teacher };
/// Of the embedded students of method=gradient.
enum class StudentSize : int { small, medium, large };
/// What of a colour picture is fused.
enum class Channels : int { luma, rgb };
enum class Precision : int { automatic, float32, bfloat16, float16 };
/// How an infrared picture of another aspect ratio meets the visible one.
enum class InfraredFit : int { contain, cover, stretch };
/// How the raw values of a thermal camera become gray (core/image/thermal.h).
enum class GainControl : int { percentile, plateau, full };
/// What is done about pixels that always tell the same.
enum class DeadPixels : int { keep, correct };
/// Whether what is warm is bright or dark in the infrared picture as it comes.
enum class Polarity : int { white_hot, black_hot, automatic };
/// How the infrared picture's place is followed while it runs (core/image/refinement.h).
enum class Refinement : int { off, translation, affine };
/// What the output shows (core/image/view.h).
enum class View : int { fused, visible, infrared, gain, split, checker, side_by_side, picture_in_picture };
/// The two pictures of the views that show two.
enum class Compare : int { visible_infrared, visible_fused, infrared_fused };
/// The colours of what is warm (core/image/palette.h).
enum class Palette : int { none, iron, lava, rainbow, turbo, arctic };
/// Several parameters at once.
enum class Preset : int { realtime, balanced, quality, paper, minimal };
/// What the pictures are.
enum class Task : int { visible_infrared, focus, exposure, medical };

/// Text of bounded length in a plain struct, so that Parameters can cross a library boundary as bytes.
template <std::size_t Capacity>
class Text {
 public:
  Text() = default;
  Text(std::string_view text) { (void)assign(text); }
  /// False, and unchanged, when `text` is too long or holds a NUL byte.
  [[nodiscard]] bool assign(std::string_view text) {
    if (text.size() >= Capacity || text.find('\0') != std::string_view::npos) return false;
    std::memcpy(bytes_, text.data(), text.size());
    std::memset(bytes_ + text.size(), 0, Capacity - text.size());
    return true;
  }
  const char* c_str() const { return bytes_; }
  std::string_view view() const { return bytes_; }
  bool empty() const { return bytes_[0] == '\0'; }
  bool operator==(const Text&) const = default;

 private:
  char bytes_[Capacity] = {};
};

using Path = Text<4096>;
using Line = Text<256>;
using Word = Text<64>;

/// Plain bytes; the initialisers are the project's only record of its defaults.
struct Parameters {
  Preset preset = Preset::realtime;
  Method method = Method::gradient;

  Path model;         ///< denoiser file; empty: the embedded one
  Path model_config;  ///< JSON file of create_model's arguments; empty: the one beside the model, or none
  Path student;       ///< student file; empty: the embedded one
  Channels channels = Channels::luma;
  Word device = Word("auto");
  Precision precision = Precision::automatic;
  int threads = 0;  ///< 0: one for each core
  int batch_streams = 1;
  double batch_wait = 10;
  int frames_in_flight = 2;
  std::int64_t seed = 0;

  int steps = 25;
  Sampler sampler = Sampler::ddpm;
  double eta = 0.0;
  Variance variance = Variance::fixed_small;
  Spacing spacing = Spacing::quadratic;
  int feature_reuse = 1;
  Guidance guidance = Guidance::constant;
  double guidance_scale = 0.5;
  double sensor_noise = 0.1;
  double smoothness = 0.5;
  double splitting = 0.1;

  int interval = 10;
  double temperature = 0.03;
  Distance distance = Distance::l2;
  Extent extent = Extent::pixel;
  int draws = 4;
  int smoothing = 6;

  Word levels = Word("500,200,60,15");
  double sharpness = 4.0;
  Base base = Base::maximum;
  BandWeights band_weights = BandWeights::separate;
  EvidenceSource evidence = EvidenceSource::student;
  StudentSize student_size = StudentSize::small;
  Word noise = Word("auto");
  double gradient_gain = 1.0;
  double hot_targets = 1.0;
  double steadiness = 0.98;
  double adaptation = 0.05;
  double contrast = 1.0;

  InfraredFit infrared_fit = InfraredFit::contain;
  Path
      registration;  ///< 6 or 9 numbers or a JSON file (core/image/registration.h); empty: infrared_fit alone
  Refinement registration_refine = Refinement::off;
  double registration_limit = 16;

  GainControl gain_control = GainControl::percentile;
  Word thermal_range = Word("auto");  ///< core/parameters/radiometry.h
  Line radiometry = Line("0.01,-273.15");
  int crop_top = 0, crop_bottom = 0, crop_left = 0, crop_right = 0;
  DeadPixels dead_pixels = DeadPixels::keep;
  Polarity polarity = Polarity::white_hot;

  View mode = View::fused;
  Compare compare = Compare::visible_infrared;
  double split_position = 0.5;
  Palette palette = Palette::none;
  Word highlight_above = Word("none");  ///< core/parameters/radiometry.h

  bool operator==(const Parameters&) const = default;
};
static_assert(std::is_trivially_copyable_v<Parameters>);

/// A parameter's value without its type: numbers, text, or the integer of an enumeration.
using Value = std::variant<std::int64_t, double, std::string>;

struct Choice {
  int value;
  const char* nick;   ///< lower case, as typed by the user
  const char* blurb;  ///< one line
};

enum class Mutability {
  playing,  ///< takes effect with the next frame; also GST_PARAM_CONTROLLABLE
  ready,    ///< takes effect when the core is opened (models, device)
};

/// One row of the table. Thread-safe: rows are constant.
struct ParameterSpec {
  const char* name;   ///< as a property and, with "--" before it, as an option: "guidance-scale"
  const char* nick;   ///< a few words, for dialogs
  const char* blurb;  ///< documentation, a sentence or two; unit and range where they are not plain
  Mutability mutability;
  double minimum, maximum;          ///< inclusive; meaningless for text and choices
  std::span<const Choice> choices;  ///< empty unless the parameter is an enumeration
  Value (*get)(const Parameters&);
  /// Sets without a check; use set() below.
  bool (*assign)(Parameters&, const Value&);

  bool is_choice() const { return !choices.empty(); }
  bool is_integer() const { return std::holds_alternative<std::int64_t>(default_value()) && !is_choice(); }
  bool is_real() const { return std::holds_alternative<double>(default_value()); }
  bool is_text() const { return std::holds_alternative<std::string>(default_value()); }
  Value default_value() const { return get(Parameters{}); }
};

/// Every parameter, in the order in which a user should read them. `preset` is the first.
std::span<const ParameterSpec> parameter_table();

/// The row of that name, or null.
const ParameterSpec* find_parameter(std::string_view name);

/// Sets one parameter. Returns a message that names parameter, value and allowed values when it is out of
/// range or of the wrong kind (`parameters` is then unchanged), or nothing when all is well. Setting `preset`
/// sets every parameter of that preset, and the ones that any other preset sets to defaults.
[[nodiscard]] std::optional<std::string> set(Parameters& parameters, const ParameterSpec& spec,
                                             const Value& value);
/// The same from text, as a command line gives it.
[[nodiscard]] std::optional<std::string> set(Parameters& parameters, std::string_view name,
                                             std::string_view text);

/// The message that set() would give for the first parameter out of its range, or nothing: for parameters
/// that came as bytes.
[[nodiscard]] std::optional<std::string> check(const Parameters& parameters);

/// The value as a user would type it ("0.5", "amortised").
std::string to_text(const ParameterSpec& spec, const Value& value);

/// A task is to a program that fuses pictures what a preset is to all: settings that suit what is fused. The
/// element has none: it fuses visible and infrared.
struct TaskSpec {
  Task task;
  const char* name;    ///< as typed by the user
  const char* blurb;   ///< documentation, a sentence or two
  bool colour_of_all;  ///< whether chroma comes from all pictures, not from the first, and all have one size
};
std::span<const TaskSpec> task_table();

/// The defaults, changed as the task needs it. Presets and single parameters are set over that.
Parameters parameters_of(Task task);

/// The parsed `levels`: strictly falling timesteps within 1..999, at least one, at most 16; or a message.
struct Levels {
  int count = 0;
  int timestep[16] = {};
};
std::variant<Levels, std::string> parse_levels(std::string_view text);

/// The parsed `noise`: what is known of each source's noise, in 0..255 units; or a message. Sources beyond
/// the last have the last one's.
struct NoiseSetting {
  struct Source {
    bool automatic = true;         ///< estimated from the picture
    double white = 0, column = 0;  ///< otherwise: standard deviations, as NoiseLevel's
  };
  int count = 0;
  Source source[8];
  const Source& of(std::size_t k) const {
    return source[k < std::size_t(count) ? k : std::size_t(count - 1)];
  }
};
std::variant<NoiseSetting, std::string> parse_noise(std::string_view text);

/// Nick of an enumeration's value, from the table: name_of("method", int(Method::guided)) is "guided".
const char* name_of(std::string_view parameter, int value);

}  // namespace digfusion
