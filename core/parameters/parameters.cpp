// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/parameters/parameters.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>

#include "core/parameters/radiometry.h"

namespace digfusion {
namespace {

template <class Member>
struct MemberType;
template <class T>
struct MemberType<T Parameters::*> {
  using type = T;
};

template <class T>
inline constexpr bool is_fixed_text = false;
template <std::size_t N>
inline constexpr bool is_fixed_text<Text<N>> = true;

template <auto Member>
Value get_member(const Parameters& p) {
  using T = typename MemberType<decltype(Member)>::type;
  if constexpr (is_fixed_text<T>) {
    return std::string((p.*Member).view());
  } else if constexpr (std::is_floating_point_v<T>) {
    return static_cast<double>(p.*Member);
  } else {
    return static_cast<std::int64_t>(p.*Member);
  }
}

template <auto Member>
bool assign_member(Parameters& p, const Value& value) {
  using T = typename MemberType<decltype(Member)>::type;
  if constexpr (is_fixed_text<T>) {
    return (p.*Member).assign(std::get<std::string>(value));
  } else if constexpr (std::is_floating_point_v<T>) {
    p.*Member = std::get<double>(value);
  } else {
    p.*Member = static_cast<T>(std::get<std::int64_t>(value));
  }
  return true;
}

template <auto Member>
constexpr ParameterSpec row(const char* name, const char* nick, const char* blurb, Mutability mutability,
                            double minimum = 0, double maximum = 0) {
  return {name, nick, blurb, mutability, minimum, maximum, {}, &get_member<Member>, &assign_member<Member>};
}

template <auto Member>
constexpr ParameterSpec row(const char* name, const char* nick, const char* blurb, Mutability mutability,
                            std::span<const Choice> choices) {
  return {name, nick, blurb, mutability, 0, 0, choices, &get_member<Member>, &assign_member<Member>};
}

constexpr Choice choice(auto value, const char* nick, const char* blurb) {
  return {static_cast<int>(value), nick, blurb};
}

constexpr Choice presets[] = {
    choice(Preset::realtime, "realtime", "One evaluation of the small student for each picture"),
    choice(Preset::balanced, "balanced", "The medium student: less noise left, less detail lost with it"),
    choice(Preset::quality, "quality", "The large student: the cleanest pictures of noisy sources"),
    choice(Preset::paper, "paper",
           "The paper's sampling: DDPM, 25 non-uniform steps, information gain every 10 steps"),
    choice(Preset::minimal, "minimal",
           "No network: gradient energy alone, for machines and moments that have no time for one"),
};
constexpr Choice methods[] = {
    choice(Method::guided, "guided", "Reverse diffusion guided by information gain: the paper's method"),
    choice(Method::bandwise, "bandwise",
           "Weights what each noise level adds, by the denoiser's own estimates over several noise draws"),
    choice(Method::amortised, "amortised",
           "As bandwise, with the means over all noise draws from one evaluation of the student"),
    choice(Method::gradient, "gradient",
           "Gradients weighted by information gain, on a base that keeps the contrast of all sources: the "
           "picture that has both"),
};
constexpr Choice samplers[] = {
    choice(Sampler::ddpm, "ddpm", "Ancestral sampling: equation (1) of the paper"),
    choice(Sampler::ddim, "ddim", "DDIM; eta sets how much noise a step adds"),
};
constexpr Choice variances[] = {
    choice(Variance::fixed_small, "fixed-small", "β̃, the variance of the exact step to a known picture"),
    choice(Variance::fixed_large, "fixed-large", "β, the variance of the noise that the step takes back"),
    choice(Variance::learned, "learned",
           "The network's own, between these two; for models that learned it (learn_sigma)"),
};
constexpr Choice spacings[] = {
    choice(Spacing::uniform, "uniform", "Steps of equal length"),
    choice(Spacing::quadratic, "quadratic", "Larger steps at high noise, smaller ones at low noise"),
};
constexpr Choice guidances[] = {
    choice(Guidance::constant, "constant", "guidance-scale at every step"),
    choice(Guidance::posterior, "posterior",
           "v/(v+λ²) with v the step's noise variance and λ sensor-noise: weaker as noise falls"),
    choice(Guidance::em, "em", "DDFM's expectation-maximisation correction: no information gain, no weights"),
};
constexpr Choice distances[] = {
    choice(Distance::l2, "l2", "Squared difference: the paper's choice"),
    choice(Distance::l1, "l1", "Absolute difference"),
    choice(Distance::ssim, "ssim", "1 - SSIM"),
    choice(Distance::none, "none", "No information gain: equal weights"),
};
constexpr Choice extents[] = {
    choice(Extent::pixel, "pixel", "A weight for each pixel"),
    choice(Extent::global, "global", "One weight for a whole picture"),
};
constexpr Choice bases[] = {
    choice(Base::average, "average",
           "The mean of the sources: lowest error, a dark infrared background dims the picture"),
    choice(Base::mixed, "mixed", "Halfway between average and maximum"),
    choice(Base::maximum, "maximum",
           "The brighter source: keeps the visible brightness and adds hot targets"),
};
constexpr Choice band_weights[] = {
    choice(BandWeights::separate, "separate", "Each level by its own information gain"),
    choice(BandWeights::joint, "joint",
           "All levels, and the base, by the geometric mean of their gains down to no noise: one source for "
           "each place"),
};
constexpr Choice evidences[] = {
    choice(EvidenceSource::gradient, "gradient", "Gradient energy alone: no network"),
    choice(EvidenceSource::scale_space, "scale-space",
           "What three Gaussians take away, in the place of what noise does: no network"),
    choice(EvidenceSource::student, "student", "Information gains from one evaluation of the student"),
    choice(EvidenceSource::teacher, "teacher",
           "Information gains by the denoiser itself, over several noise draws"),
};
constexpr Choice student_sizes[] = {
    choice(StudentSize::small, "small", "32, 48 and 80 channels: for video rate on a CPU"),
    choice(StudentSize::medium, "medium", "48, 72 and 120 channels"),
    choice(StudentSize::large, "large", "64, 96 and 160 channels"),
};
constexpr Choice channels[] = {
    choice(Channels::luma, "luma", "The luma; chroma is kept. Three-channel models see it in all channels"),
    choice(Channels::rgb, "rgb",
           "Red, green and blue together; for method=guided and bandwise with a three-channel model"),
};
constexpr Choice precisions[] = {
    choice(Precision::automatic, "auto", "bfloat16 where the device computes it at full rate, else float32"),
    choice(Precision::float32, "float32", "32-bit floating point"),
    choice(Precision::bfloat16, "bfloat16", "bfloat16 in the network, float32 around it"),
    choice(Precision::float16, "float16", "float16 in the network, float32 around it (CUDA devices)"),
};
constexpr Choice fits[] = {
    choice(InfraredFit::contain, "contain",
           "Scaled to lie whole within the visible picture, which stands alone beside it"),
    choice(InfraredFit::cover, "cover", "Scaled to cover the visible picture; what juts out is cut off"),
    choice(InfraredFit::stretch, "stretch", "Scaled to the visible picture's size on either axis"),
};
constexpr Choice gain_controls[] = {
    choice(GainControl::percentile, "percentile",
           "Linear, from the half per cent of the coldest pixels to that of the warmest"),
    choice(
        GainControl::plateau, "plateau",
        "Plateau-equalised histogram: values that many pixels have are spread, up to three times as far as "
        "linearly"),
    choice(GainControl::full, "full", "Linear, over all values that the samples can hold"),
};
constexpr Choice dead_pixel_choices[] = {
    choice(DeadPixels::keep, "keep", "As they come"),
    choice(DeadPixels::correct, "correct",
           "The median of the neighbours, where a pixel stands out of all of them far in one picture or "
           "plainly in several"),
};
constexpr Choice polarities[] = {
    choice(Polarity::white_hot, "white-hot", "What is warm is bright"),
    choice(Polarity::black_hot, "black-hot", "What is warm is dark: the picture is turned into its negative"),
    choice(
        Polarity::automatic, "auto",
        "As pictures of 8 bits look: small things are mostly warmer than what they stand before, the sky is "
        "colder than the ground; raw values are white-hot"),
};
constexpr Choice refinements[] = {
    choice(Refinement::off, "off", "As infrared-fit or registration say"),
    choice(Refinement::translation, "translation", "Shifted"),
    choice(Refinement::affine, "affine", "Shifted and turned, and hardly scaled or sheared"),
};
constexpr Choice views[] = {
    choice(View::fused, "fused", "The fused picture"),
    choice(View::visible, "visible", "The visible picture as it comes"),
    choice(View::infrared, "infrared",
           "The infrared picture as it is fused, in its place on the visible one"),
    choice(
        View::gain, "gain",
        "Where the fused picture comes from, by information gain: bright from infrared, dark from visible"),
    choice(View::split, "split", "Two pictures, one on either side of split-position"),
    choice(View::checker, "checker", "Two pictures in turn on the squares of a chessboard"),
    choice(View::side_by_side, "side-by-side", "Two pictures beside each other, twice as wide"),
    choice(View::picture_in_picture, "picture-in-picture",
           "The second picture, a third as wide and high, in the upper right corner of the first"),
};
constexpr Choice comparisons[] = {
    choice(Compare::visible_infrared, "visible-infrared", "Visible and infrared"),
    choice(Compare::visible_fused, "visible-fused", "Visible and fused"),
    choice(Compare::infrared_fused, "infrared-fused", "Infrared and fused"),
};
constexpr Choice palettes[] = {
    choice(Palette::none, "none", "None: the visible picture's own colours"),
    choice(Palette::iron, "iron", "Iron bow: black, violet, red, orange, yellow, white"),
    choice(Palette::lava, "lava", "Black, red, yellow, white"),
    choice(Palette::rainbow, "rainbow", "Blue, green, yellow, red"),
    choice(Palette::turbo, "turbo", "A rainbow of even steps"),
    choice(Palette::arctic, "arctic", "Blue, gray, orange"),
};

constexpr auto playing = Mutability::playing;
constexpr auto ready = Mutability::ready;
using P = Parameters;

constexpr ParameterSpec table[] = {
    row<&P::preset>("preset", "Preset", "Sets several parameters at once; those given after it override it",
                    playing, presets),
    row<&P::method>("method", "Fusion method", "How the pictures are fused", playing, methods),
    row<&P::model>("model", "Denoiser file",
                   "Denoiser weights: one of digfusion's own or an unconditional guided-diffusion checkpoint "
                   "(PyTorch or safetensors); empty for the embedded luma denoiser",
                   ready),
    row<&P::model_config>(
        "model-config", "Denoiser configuration",
        "JSON file of the arguments that guided-diffusion's create_model had for the model; "
        "empty for NAME.json beside NAME.pt, or else what the tensors show",
        ready),
    row<&P::student>(
        "student", "Student file",
        "Weights of the student of method=amortised or method=gradient, a safetensors file; empty for "
        "the embedded one of that method",
        ready),
    row<&P::channels>("channels", "Channels", "What of a colour picture is fused", ready, channels),
    row<&P::device>("device", "Device",
                    "Where to compute: auto (CUDA where it works, else the CPU), cpu, cuda or cuda:N", ready),
    row<&P::precision>("precision", "Precision", "Number format of the networks", ready, precisions),
    row<&P::threads>("threads", "Threads", "CPU threads for one frame; 0 for one each core", ready, 0, 256),
    row<&P::batch_streams>(
        "batch-streams", "Streams of a batch",
        "Of how many streams of this process (method=gradient, evidence=student, one size and settings) "
        "pictures are evaluated together, which a GPU does faster than one by one; 1 for each by itself",
        ready, 1, 64),
    row<&P::batch_wait>("batch-wait", "Wait for a batch",
                        "How many milliseconds a picture waits at most for those of the other streams", ready,
                        0, 1000),
    row<&P::frames_in_flight>(
        "frames-in-flight", "Frames in flight",
        "How many pictures a GPU works on at a time: 2 lets the transfers and the computing of one and the "
        "next overlap, where the next one waits already; 1 for one after another",
        ready, 1, 2),
    row<&P::seed>("seed", "Seed", "Seed of the noise fields; the same seed gives the same picture", playing,
                  0, 9007199254740991.0),
    row<&P::steps>("steps", "Sampling steps", "Reverse diffusion steps of method=guided", playing, 1, 1000),
    row<&P::sampler>("sampler", "Sampler", "Reverse diffusion step of method=guided", playing, samplers),
    row<&P::eta>("eta", "DDIM eta",
                 "Noise that a DDIM step adds: 0 for none (deterministic), 1 for as much as DDPM", playing, 0,
                 1),
    row<&P::variance>("variance", "Step variance", "Variance of the noise that a step of sampler=ddpm adds",
                      playing, variances),
    row<&P::spacing>("spacing", "Step spacing",
                     "How the steps of method=guided are spread over the noise levels", playing, spacings),
    row<&P::feature_reuse>("feature-reuse", "Reuse of features",
                           "For how many steps of method=guided on end the deep layers of the network are "
                           "evaluated once (DeepCache); 1 for in each step",
                           playing, 1, 10),
    row<&P::guidance>("guidance", "Guidance", "How strongly a step of method=guided is pulled to the sources",
                      playing, guidances),
    row<&P::guidance_scale>(
        "guidance-scale", "Guidance scale",
        "Pull of a step with guidance=constant: 0 for none, 1 for the weighted sources alone", playing, 0, 1),
    row<&P::sensor_noise>(
        "sensor-noise", "Sensor noise",
        "Assumed noise λ of the sources with guidance=posterior, on a scale where black is -1 "
        "and white 1",
        playing, 1e-4, 10),
    row<&P::smoothness>("smoothness", "EM smoothness",
                        "ψ of guidance=em: weight of the squared gradient of what the fused picture adds to "
                        "the first source",
                        playing, 0, 1e3),
    row<&P::splitting>(
        "splitting", "EM splitting",
        "η of guidance=em: how closely the smooth copy in its half-quadratic splitting is tied "
        "to the picture; 0 for no smoothing",
        playing, 0, 1e3),
    row<&P::interval>("interval", "Information gain interval",
                      "S of equation (8), in sampling steps: weights are computed every so many steps of "
                      "method=guided",
                      playing, 1, 1000),
    row<&P::temperature>("temperature", "Temperature",
                         "τ of equation (11): the softmax over information gains; 1 is the paper's, less is "
                         "more decided",
                         playing, 1e-6, 1e6),
    row<&P::distance>("distance", "Distance", "l of equation (8): what information gain is measured in",
                      playing, distances),
    row<&P::extent>("extent", "Extent", "Whether method=guided weighs pixels or whole pictures", playing,
                    extents),
    row<&P::draws>("draws", "Noise draws",
                   "Noise fields over which methods guided and bandwise average the information gain; even "
                   "numbers use antithetic pairs",
                   playing, 1, 256),
    row<&P::smoothing>("smoothing", "Smoothing radius",
                       "Radius in pixels of the box filter over information gain maps; 0 for none", playing,
                       0, 64),
    row<&P::levels>(
        "levels", "Noise levels",
        "Timesteps of method=bandwise, strictly falling, with commas between; method=amortised has "
        "those that its student was trained for",
        playing),
    row<&P::sharpness>("sharpness", "Sharpness",
                       "Exponent γ of the weights of methods bandwise and amortised: 1 blends, more decides",
                       playing, 0.1, 16),
    row<&P::base>("base", "Base", "Coarsest band of methods bandwise and amortised", playing, bases),
    row<&P::band_weights>("band-weights", "Band weights",
                          "What the weights of methods bandwise and amortised are made of; joint leaves base "
                          "without effect",
                          playing, band_weights),
    row<&P::evidence>("evidence", "Evidence",
                      "What the weights of method=gradient come from, beside gradient energy", playing,
                      evidences),
    row<&P::student_size>("student-size", "Student size",
                          "Which of the embedded students evidence=student asks; without effect where a "
                          "file is given as student",
                          playing, student_sizes),
    row<&P::noise>("noise", "Noise",
                   "Standard deviation of the sources' noise in 0..255 units, which method=gradient takes "
                   "away (evidence=student or teacher): auto (estimated from each stream), 0 for none, or a "
                   "number for all sources or, with commas between, for each, visible first; 10+4 is white "
                   "noise of 10 and a column pattern of 4",
                   playing),
    row<&P::gradient_gain>("gradient-gain", "Gradient gain",
                           "What method=gradient multiplies the chosen gradients by: above 1 is crisper and "
                           "adds artefacts",
                           playing, 0.25, 4),
    row<&P::hot_targets>("hot-targets", "Hot targets",
                         "How strongly method=gradient lifts what is warmer than its surroundings; 0 for "
                         "not at all",
                         playing, 0, 4),
    row<&P::steadiness>(
        "steadiness", "Steadiness",
        "Share of the frames before in the picture of method=gradient where nothing moves; 0 for "
        "none",
        playing, 0, 0.99),
    row<&P::adaptation>("adaptation", "Adaptation",
                        "Share of a new frame in the means over time of the numbers by which method=gradient "
                        "and gain-control set brightness and contrast; 1 for each frame by itself",
                        playing, 1e-3, 1),
    row<&P::contrast>(
        "contrast", "Contrast",
        "Largest gain of a last linear stretch to the full range of gray, which each picture gets "
        "by itself (a video may flicker); 1 for none",
        playing, 1, 8),
    row<&P::infrared_fit>("infrared-fit", "Infrared fit",
                          "How an infrared picture of another aspect ratio meets the visible one", playing,
                          fits),
    row<&P::registration>(
        "registration", "Registration",
        "Where the infrared picture lies on the visible one, in the place of infrared-fit: a JSON file as "
        "digfusion calibrate writes it, or 6 (affine) or 9 (homography) numbers with commas between that "
        "take an infrared pixel to a visible one, row by row; empty for none",
        playing),
    row<&P::registration_refine>("registration-refine", "Refine registration",
                                 "How the infrared picture's place is followed slowly while it runs, by its "
                                 "edges and the visible ones",
                                 playing, refinements),
    row<&P::registration_limit>(
        "registration-limit", "Limit of refinement",
        "How many visible pixels registration-refine may move any point of the picture", playing, 0, 64),
    row<&P::gain_control>(
        "gain-control", "Gain control",
        "How the values of an infrared picture of one component and more than 8 bits become "
        "gray; adaptation says how fast it follows",
        playing, gain_controls),
    row<&P::thermal_range>(
        "thermal-range", "Thermal range",
        "What such a picture's black and white stand for, in the place of gain-control: LOW..HIGH in its "
        "values, or in temperatures by radiometry, such as 10C..40C or 280K..310K; auto for gain-control",
        playing),
    row<&P::radiometry>("radiometry", "Radiometry",
                        "Temperature by an infrared picture's value: SCALE,OFFSET for °C = SCALE·value + "
                        "OFFSET (kelvin × 100 "
                        "is the default), or R1,R2,B,F,O for Planck's K = B / ln(R1 / (R2·(value + O)) + F)",
                        playing),
    row<&P::crop_top>("crop-top", "Crop top",
                      "Rows at the infrared picture's upper edge to leave out, telemetry for one", playing, 0,
                      4096),
    row<&P::crop_bottom>("crop-bottom", "Crop bottom", "Rows at its lower edge to leave out", playing, 0,
                         4096),
    row<&P::crop_left>("crop-left", "Crop left", "Columns at its left edge to leave out", playing, 0, 4096),
    row<&P::crop_right>("crop-right", "Crop right", "Columns at its right edge to leave out", playing, 0,
                        4096),
    row<&P::dead_pixels>("dead-pixels", "Dead pixels",
                         "What is done about dead pixels of the infrared picture", playing,
                         dead_pixel_choices),
    row<&P::polarity>("polarity", "Polarity",
                      "What the infrared camera shows bright; fusion needs the warm bright", playing,
                      polarities),
    row<&P::mode>("mode", "Mode", "What the output shows", playing, views),
    row<&P::compare>(
        "compare", "Compare",
        "The two pictures of mode=split, checker, side-by-side and picture-in-picture, the first "
        "on the left, in the upper left corner or as the large one",
        playing, comparisons),
    row<&P::split_position>("split-position", "Split position",
                            "The share of the width that mode=split gives to the first picture", playing, 0,
                            1),
    row<&P::palette>("palette", "Palette",
                     "Colours of the infrared picture, and of what is warm in the fused one, whose luma "
                     "stays; not for gray output",
                     playing, palettes),
    row<&P::highlight_above>("highlight-above", "Highlight above",
                             "From where on the infrared values of a picture of more than 8 bits are shown "
                             "in magenta: none, a raw "
                             "value, or a temperature by radiometry such as 37C or 310K; not for gray output",
                             playing),
};

struct Setting {
  Preset preset;
  const char* name;
  const char* text;
};
// A preset is the defaults of every parameter named here by any preset, then its own rows.
constexpr Setting preset_settings[] = {
    {Preset::balanced, "student-size", "medium"},
    {Preset::quality, "student-size", "large"},
    {Preset::minimal, "evidence", "gradient"},
    {Preset::paper, "method", "guided"},
    {Preset::paper, "sampler", "ddpm"},
    {Preset::paper, "steps", "25"},
    {Preset::paper, "spacing", "quadratic"},
    {Preset::paper, "interval", "10"},
    {Preset::paper, "temperature", "1"},
    {Preset::paper, "distance", "l2"},
    {Preset::paper, "extent", "pixel"},
    {Preset::paper, "draws", "1"},
    {Preset::paper, "smoothing", "0"},
    {Preset::paper, "guidance", "constant"},
    {Preset::paper, "guidance-scale", "0.5"},
};

constexpr TaskSpec tasks[] = {
    {Task::visible_infrared, "visible-infrared",
     "A visible picture first, then one or more infrared ones: its size and colour, all others are scaled to "
     "it",
     false},
    {Task::focus, "focus",
     "Pictures of one scene, each sharp at another distance: the sharpest one for each place", true},
    {Task::exposure, "exposure",
     "Pictures of one scene, each exposed differently: the detail of all, stretched to full contrast", true},
    {Task::medical, "medical",
     "Scans of one place by different devices, gray or coloured (untested: no data were at hand)", true},
};
struct TaskSetting {
  Task task;
  const char* name;
  const char* text;
};
// Found on multi-focus and multi-exposure pictures: docs/algorithm.md.
constexpr TaskSetting task_settings[] = {
    {Task::focus, "method", "amortised"},
    {Task::focus, "band-weights", "joint"},
    {Task::focus, "smoothing", "8"},
    {Task::focus, "sharpness", "16"},
    {Task::exposure, "method", "amortised"},
    {Task::exposure, "base", "average"},
    {Task::exposure, "smoothing", "4"},
    {Task::exposure, "contrast", "1.5"},
    {Task::medical, "method", "amortised"},
    // Their 16-bit pictures aren't a thermal camera's.
    {Task::focus, "gain-control", "full"},
    {Task::exposure, "gain-control", "full"},
    {Task::medical, "gain-control", "full"},
};

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

std::string number(double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return {buffer, end};
}

std::string allowed(const ParameterSpec& spec) {
  if (spec.is_choice()) {
    std::string text = "one of";
    for (const Choice& c : spec.choices)
      text += std::string(c.value == spec.choices[0].value ? " " : ", ") + c.nick;
    return text;
  }
  if (spec.is_text()) return "text";
  return std::string(spec.is_integer() ? "a whole number" : "a number") + " from " + number(spec.minimum) +
         " to " + number(spec.maximum);
}

std::string refusal(const ParameterSpec& spec, std::string_view given) {
  return std::string("parameter ") + spec.name + ": " + quoted(given) + " is not allowed; give " +
         allowed(spec);
}

std::optional<std::string> check(const ParameterSpec& spec, const Value& value) {
  if (value.index() != spec.default_value().index()) return refusal(spec, to_text(spec, value));
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    if (spec.is_choice()) {
      for (const Choice& c : spec.choices)
        if (c.value == *integer) return {};
      return refusal(spec, std::to_string(*integer));
    }
    const auto real = static_cast<double>(*integer);
    if (real < spec.minimum || real > spec.maximum) return refusal(spec, std::to_string(*integer));
  } else if (const auto* real = std::get_if<double>(&value)) {
    if (!(*real >= spec.minimum && *real <= spec.maximum)) return refusal(spec, number(*real));
  } else if (std::string_view(spec.name) == "levels") {
    const auto levels = parse_levels(std::get<std::string>(value));
    if (const auto* message = std::get_if<std::string>(&levels)) return *message;
  } else if (std::string_view(spec.name) == "noise") {
    const auto noise = parse_noise(std::get<std::string>(value));
    if (const auto* message = std::get_if<std::string>(&noise)) return *message;
  } else if (std::string_view(spec.name) == "thermal-range") {
    const auto range = parse_thermal_range(std::get<std::string>(value));
    if (const auto* message = std::get_if<std::string>(&range)) return *message;
  } else if (std::string_view(spec.name) == "radiometry") {
    const auto radiometry = parse_radiometry(std::get<std::string>(value));
    if (const auto* message = std::get_if<std::string>(&radiometry)) return *message;
  } else if (std::string_view(spec.name) == "highlight-above") {
    const auto threshold = parse_highlight(std::get<std::string>(value));
    if (const auto* message = std::get_if<std::string>(&threshold)) return *message;
  }
  return {};
}

void apply_preset(Parameters& p, Preset preset) {
  const Parameters defaults;
  for (const Setting& s : preset_settings) {
    const ParameterSpec& spec = *find_parameter(s.name);
    spec.assign(p, spec.get(defaults));
  }
  for (const Setting& s : preset_settings)
    if (s.preset == preset) (void)set(p, s.name, s.text);
  p.preset = preset;
}

}  // namespace

std::span<const ParameterSpec> parameter_table() { return table; }

const ParameterSpec* find_parameter(std::string_view name) {
  for (const ParameterSpec& spec : table)
    if (name == spec.name) return &spec;
  return nullptr;
}

std::optional<std::string> set(Parameters& p, const ParameterSpec& spec, const Value& value) {
  if (auto message = check(spec, value)) return message;
  if (std::string_view(spec.name) == "preset") {
    apply_preset(p, static_cast<Preset>(std::get<std::int64_t>(value)));
    return {};
  }
  if (!spec.assign(p, value)) return std::string("parameter ") + spec.name + ": the text is too long";
  return {};
}

std::optional<std::string> set(Parameters& p, std::string_view name, std::string_view text) {
  const ParameterSpec* spec = find_parameter(name);
  if (!spec) return "there is no parameter " + quoted(name);
  if (spec->is_text()) return set(p, *spec, Value(std::string(text)));
  if (spec->is_choice()) {
    for (const Choice& c : spec->choices)
      if (text == c.nick) return set(p, *spec, Value(std::int64_t{c.value}));
    return refusal(*spec, text);
  }
  const char* end = text.data() + text.size();
  if (spec->is_integer()) {
    std::int64_t integer = 0;
    const auto [stop, error] = std::from_chars(text.data(), end, integer);
    if (error != std::errc() || stop != end) return refusal(*spec, text);
    return set(p, *spec, Value(integer));
  }
  double real = 0;
  const auto [stop, error] = std::from_chars(text.data(), end, real);
  if (error != std::errc() || stop != end) return refusal(*spec, text);
  return set(p, *spec, Value(real));
}

std::optional<std::string> check(const Parameters& parameters) {
  for (const ParameterSpec& spec : table)
    if (auto message = check(spec, spec.get(parameters))) return message;
  return {};
}

std::string to_text(const ParameterSpec& spec, const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* real = std::get_if<double>(&value)) return number(*real);
  const std::int64_t integer = std::get<std::int64_t>(value);
  for (const Choice& c : spec.choices)
    if (c.value == integer) return c.nick;
  return std::to_string(integer);
}

std::span<const TaskSpec> task_table() { return tasks; }

Parameters parameters_of(Task task) {
  Parameters parameters;
  for (const TaskSetting& s : task_settings)
    if (s.task == task) (void)set(parameters, s.name, s.text);
  return parameters;
}

std::variant<Levels, std::string> parse_levels(std::string_view text) {
  const auto message = [&] {
    return "parameter levels: " + quoted(text) +
           " is not allowed; give 1 to 16 strictly falling timesteps from 999 to 1 with commas between, such "
           "as " +
           quoted(Parameters{}.levels.view());
  };
  Levels levels;
  const char* at = text.data();
  const char* end = at + text.size();
  int previous = 1000;
  while (true) {
    int timestep = 0;
    const auto [stop, error] = std::from_chars(at, end, timestep);
    if (error != std::errc() || levels.count == 16 || timestep < 1 || timestep >= previous) return message();
    levels.timestep[levels.count++] = previous = timestep;
    if (stop == end) return levels;
    if (*stop != ',') return message();
    at = stop + 1;
  }
}

std::variant<NoiseSetting, std::string> parse_noise(std::string_view text) {
  constexpr double most = 127;
  const char* at = text.data();
  const char* end = at + text.size();
  const auto level = [&](double& value) {
    const auto [stop, error] = std::from_chars(at, end, value);
    at = stop;
    return error == std::errc() && value >= 0 && value <= most;
  };
  NoiseSetting setting;
  while (setting.count < int(std::size(setting.source))) {
    NoiseSetting::Source& source = setting.source[setting.count++];
    if (std::string_view(at, end).starts_with("auto")) {
      at += 4;
    } else {
      source.automatic = false;
      if (!level(source.white)) break;
      if (at < end && *at == '+' && !level((++at, source.column))) break;
    }
    if (at == end) return setting;
    if (*at++ != ',') break;
  }
  return "parameter noise: " + quoted(text) + " is not allowed; give auto, or 0 to " + number(most) +
         ", one for all sources or up to " + std::to_string(std::size(setting.source)) +
         " with commas between, each with its column noise where it has some, such as 20,10+4";
}

const char* name_of(std::string_view parameter, int value) {
  const ParameterSpec* spec = find_parameter(parameter);
  if (spec)
    for (const Choice& c : spec->choices)
      if (c.value == value) return c.nick;
  return "?";
}

}  // namespace digfusion
