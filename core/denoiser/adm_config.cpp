// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/adm_config.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/interface/error.h"

namespace digfusion {
namespace {

using Json = nlohmann::json;

constexpr int norm_groups = 32;
constexpr std::size_t most_levels = 10;
constexpr std::int64_t most_channels = 1 << 16;
constexpr const char* needed = "an unconditional one is needed, such as 256x256_diffusion_uncond.pt";

[[noreturn]] void refuse(const std::string& source, const std::string& what) {
  throw Error(ErrorCode::model, "model file " + source + ": " + what);
}

/// The sizes of one tensor, or an error that names it.
class Shapes {
 public:
  Shapes(const WeightKinds& weights, const std::string& path) : weights_(weights), path_(path) {}

  bool has(const std::string& name) const { return weights_.contains(name); }
  std::int64_t size(const std::string& name, std::size_t dimension, std::size_t dimensions) const {
    const auto found = weights_.find(name);
    if (found == weights_.end()) refuse(path_, "tensor \"" + name + "\" is missing");
    const Shape& sizes = found->second.sizes;
    const std::string text = "tensor \"" + name + "\" has the shape " + c10::str(at::IntArrayRef(sizes));
    if (sizes.size() != dimensions)
      refuse(path_, text + ", expected " + std::to_string(dimensions) + " dimensions");
    const std::int64_t size = sizes[dimension];
    if (size < 1 || size > most_channels) refuse(path_, text + ", which no network has");
    return size;
  }

 private:
  const WeightKinds& weights_;
  const std::string& path_;
};

bool any_name(const WeightKinds& weights, std::initializer_list<const char*> parts) {
  return std::any_of(weights.begin(), weights.end(), [&](const auto& weight) {
    return std::any_of(parts.begin(), parts.end(),
                       [&](const char* part) { return weight.first.find(part) != std::string::npos; });
  });
}

void check(const AdmConfig& c, const std::string& source) {
  if (c.widths.empty() || c.widths.size() > most_levels || c.attention.size() != c.widths.size())
    refuse(source, "the network has " + std::to_string(c.widths.size()) + " levels; 1 to " +
                       std::to_string(most_levels) + " are possible");
  if (c.res_blocks < 1 || c.res_blocks > 64)
    refuse(source, "num_res_blocks " + std::to_string(c.res_blocks) + " is not allowed; give 1 to 64");
  if (c.image_size % c.multiple() != 0)
    refuse(source, "image_size " + std::to_string(c.image_size) + " doesn't divide by " +
                       std::to_string(c.multiple()) + ", as " + std::to_string(c.widths.size()) +
                       " levels need");
  for (std::size_t level = 0; level < c.widths.size(); ++level) {
    const std::int64_t width = c.widths[level];
    if (width < norm_groups || width > most_channels || width % norm_groups != 0)
      refuse(source, std::to_string(width) + " channels at level " + std::to_string(level) +
                         ": only multiples of 32 are possible");
    if (!c.attention[level] && level + 1 < c.widths.size()) continue;
    const bool by_width = c.head_channels > 0;
    const std::vector<int> divisors =
        by_width ? std::vector{c.head_channels} : std::vector{c.heads, c.heads_upsample};
    for (const int divisor : divisors)
      if (divisor < 1 || width % divisor != 0)
        refuse(source, std::string(by_width ? "num_head_channels " : "num_heads ") + std::to_string(divisor) +
                           " doesn't divide the " + std::to_string(width) + " channels at level " +
                           std::to_string(level));
  }
}

// --- create_model's arguments, whose values may be strings

class Arguments {
 public:
  Arguments(const Json& json, const std::string& source) : json_(json), source_(source) {}

  bool has(const char* key) const { return json_.contains(key); }

  [[noreturn]] void wrong(const char* key, const char* wanted) const {
    std::string value = json_[key].dump(-1, ' ', true, Json::error_handler_t::replace);
    if (value.size() > 60) value = value.substr(0, 57) + "...";
    refuse(source_, std::string(key) + " " + value + " is not allowed; give " + wanted);
  }
  void read(const char* key, std::int64_t& value, std::int64_t least = 1,
            std::int64_t most = most_channels) const {
    if (!has(key)) return;
    const auto number = as_number(json_[key]);
    if (!number || *number != std::floor(*number) || *number < double(least) || *number > double(most))
      wrong(key, ("a whole number from " + std::to_string(least) + " to " + std::to_string(most)).c_str());
    value = static_cast<std::int64_t>(*number);
  }
  void read(const char* key, int& value, std::int64_t least, std::int64_t most) const {
    std::int64_t wide = value;
    read(key, wide, least, most);
    value = static_cast<int>(wide);
  }
  void read(const char* key, bool& value) const {
    if (!has(key)) return;
    const Json& json = json_[key];
    if (json.is_boolean()) {
      value = json.get<bool>();
      return;
    }
    const std::string text = json.is_string()           ? json.get<std::string>()
                             : json.is_number_integer() ? json.dump()
                                                        : "";
    if (text == "True" || text == "true" || text == "1")
      value = true;
    else if (text == "False" || text == "false" || text == "0")
      value = false;
    else
      wrong(key, "true or false");
  }
  /// "1,2,4", [1, 2, 4] or 4. Empty for "".
  std::vector<double> numbers(const char* key) const {
    const Json& json = json_[key];
    std::vector<double> result;
    const auto add = [&](const Json& item) {
      const auto number = as_number(item);
      if (!number || result.size() >= 64) wrong(key, "numbers with commas between them");
      result.push_back(*number);
    };
    if (json.is_array()) {
      for (const Json& item : json) add(item);
    } else if (json.is_string()) {
      std::istringstream words(json.get<std::string>());
      for (std::string word; std::getline(words, word, ',');) add(Json(word));
    } else {
      add(json);
    }
    return result;
  }
  std::string text(const char* key) const {
    if (!json_[key].is_string()) wrong(key, "text");
    return json_[key].get<std::string>();
  }

 private:
  static std::optional<double> as_number(const Json& json) {
    if (json.is_number()) return json.get<double>();
    if (!json.is_string()) return {};
    const std::string& text = json.get_ref<const std::string&>();
    const std::size_t begin = std::min(text.find_first_not_of(' '), text.size());
    const std::size_t end = text.find_last_not_of(' ') + 1;
    double value = 0;
    const auto [stop, error] =
        std::from_chars(text.data() + begin, text.data() + std::max(begin, end), value);
    if (error != std::errc() || stop != text.data() + std::max(begin, end)) return {};
    return value;
  }

  const Json& json_;
  const std::string& source_;
};

// What create_model and create_gaussian_diffusion take, and what "beside it" files may have besides.
constexpr const char* known_arguments[] = {"image_size",
                                           "num_channels",
                                           "num_res_blocks",
                                           "channel_mult",
                                           "learn_sigma",
                                           "class_cond",
                                           "use_checkpoint",
                                           "attention_resolutions",
                                           "num_heads",
                                           "num_head_channels",
                                           "num_heads_upsample",
                                           "use_scale_shift_norm",
                                           "dropout",
                                           "resblock_updown",
                                           "use_fp16",
                                           "use_new_attention_order",
                                           "diffusion_steps",
                                           "noise_schedule",
                                           "timestep_respacing",
                                           "use_kl",
                                           "predict_xstart",
                                           "rescale_timesteps",
                                           "rescale_learned_sigmas",
                                           "in_channels"};

std::vector<double> default_multipliers(std::int64_t image_size) {
  switch (image_size) {
    case 512:
      return {.5, 1, 1, 2, 2, 4, 4};
    case 256:
      return {1, 1, 2, 2, 4, 4};
    case 128:
      return {1, 1, 2, 3, 4};
    case 64:
      return {1, 2, 3, 4};
  }
  return {};
}

void read_widths(const Arguments& arguments, const std::string& source, AdmConfig& c,
                 std::int64_t model_channels) {
  std::vector<double> multipliers;
  if (arguments.has("channel_mult")) {
    multipliers = arguments.numbers("channel_mult");
    if (multipliers.empty()) multipliers = default_multipliers(c.image_size);
    if (multipliers.empty())
      refuse(source, "channel_mult is empty, and image_size " + std::to_string(c.image_size) +
                         " has no usual one; give it as numbers with commas between them");
  } else if (arguments.has("num_channels")) {
    for (const std::int64_t width : c.widths) multipliers.push_back(double(width) / double(c.model_channels));
  } else {
    return;
  }
  std::vector<std::int64_t> widths;
  for (const double multiplier : multipliers) {
    const double width = multiplier * double(model_channels);
    if (!(width >= 1 && width <= double(most_channels))) arguments.wrong("channel_mult", "positive numbers");
    widths.push_back(static_cast<std::int64_t>(width + 1e-6));  // 192 · (128/192) may fall short of 128
  }
  c.attention.resize(widths.size(), false);
  c.widths = std::move(widths);
}

void read_attention(const Arguments& arguments, AdmConfig& c) {
  if (!arguments.has("attention_resolutions")) return;
  c.attention.assign(c.widths.size(), false);
  for (const double resolution : arguments.numbers("attention_resolutions")) {
    if (!(resolution >= 1 && resolution <= double(c.image_size)))
      arguments.wrong("attention_resolutions", "numbers from 1 to image_size");
    const std::int64_t scale = c.image_size / static_cast<std::int64_t>(resolution);
    for (std::size_t level = 0; level < c.widths.size(); ++level)
      if (scale == std::int64_t{1} << level) c.attention[level] = true;
  }
}

void read_diffusion(const Arguments& arguments, const std::string& source, AdmConfig& c) {
  if (arguments.has("noise_schedule")) {
    const std::string schedule = arguments.text("noise_schedule");
    if (schedule != "linear" && schedule != "cosine") arguments.wrong("noise_schedule", "linear or cosine");
    c.cosine = schedule == "cosine";
  }
  std::int64_t steps = 1000;
  arguments.read("diffusion_steps", steps, 1, 1'000'000);
  if (steps != 1000)
    refuse(source,
           "diffusion_steps is " + std::to_string(steps) + ": only models trained with 1000 can be used");
  for (const char* key : {"predict_xstart", "class_cond", "rescale_timesteps"}) {
    bool set = false;
    arguments.read(key, set);
    if (set && key == std::string("class_cond"))
      refuse(source,
             "class_cond is true: a class-conditional model can't be used, an unconditional one is needed");
    if (set) refuse(source, std::string(key) + " is true, which digfusion doesn't know");
  }
}

}  // namespace

bool is_adm(const WeightKinds& weights, const std::string& path) {
  const auto has = [&](const char* name) { return weights.contains(name); };
  if (any_name(weights, {"lora_up", "lora_down", "lora_A", "lora_B", ".lora.", "hada_w1", "lokr_w"}))
    refuse(
        path,
        "it is a LoRA file: changes to a network's weights, not a network. Merge it into its network first");
  if (any_name(weights, {"model.diffusion_model.", "first_stage_model.", "cond_stage_model."}))
    refuse(path,
           "it is a latent diffusion model (Stable Diffusion or its like); an unconditional guided-diffusion "
           "model of pixels is needed");
  if (any_name(weights, {"down_blocks.", "up_blocks.", "mid_block."}))
    refuse(path,
           "it is a network of the diffusers library; an unconditional guided-diffusion model is needed");
  if (!has("time_embed.0.weight") || !any_name(weights, {"input_blocks.0.0."})) return false;
  if (has("label_emb.weight"))
    refuse(path, std::string("it is a class-conditional guided-diffusion model (it has label_emb.weight); ") +
                     needed);
  if (!any_name(weights, {"output_blocks."}))
    refuse(path, std::string("it is a classifier of guided-diffusion (it has no output_blocks); ") + needed);
  if (any_name(weights, {".transformer_blocks.", "encoder_kv", "context_"}))
    refuse(path, "it is a text-conditional model; an unconditional guided-diffusion model is needed");
  return true;
}

AdmConfig infer_adm_config(const WeightKinds& weights, const std::string& path) {
  const Shapes shapes(weights, path);
  const auto input = [](int i) { return "input_blocks." + std::to_string(i) + "."; };
  const auto output = [](int i) { return "output_blocks." + std::to_string(i) + "."; };
  AdmConfig c;
  c.model_channels = shapes.size("time_embed.0.weight", 1, 2);
  c.in_channels = shapes.size("input_blocks.0.0.weight", 1, 4);
  if (c.in_channels == 6)
    refuse(path,
           std::string(
               "it is an upsampler of guided-diffusion (\"input_blocks.0.0.weight\" takes 6 channels); ") +
               needed);
  if (c.in_channels != 1 && c.in_channels != 3)
    refuse(path, "tensor \"input_blocks.0.0.weight\" takes " + std::to_string(c.in_channels) +
                     " channels; pictures have 1 or 3");
  c.out_channels = shapes.size("out.2.weight", 0, 4);
  if (c.out_channels != c.in_channels && c.out_channels != 2 * c.in_channels)
    refuse(path, "tensor \"out.2.weight\" gives " + std::to_string(c.out_channels) + " channels, expected " +
                     std::to_string(c.in_channels) + " or, with learn_sigma, " +
                     std::to_string(2 * c.in_channels));

  // On the way up every level has res_blocks + 1 blocks, and the last of each but the finest grows the
  // picture.
  int blocks = 0;
  while (shapes.has(output(blocks) + "0.in_layers.0.weight")) ++blocks;
  const auto grows = [&](int i) {
    for (const char* part :
         {"1.in_layers.0.weight", "2.in_layers.0.weight", "1.conv.weight", "2.conv.weight"})
      if (shapes.has(output(i) + part)) return true;
    return false;
  };
  int first = 0;
  while (first < blocks && !grows(first)) ++first;
  c.res_blocks = first < blocks ? first : blocks - 1;
  if (c.res_blocks < 1 || blocks % (c.res_blocks + 1) != 0 || blocks / (c.res_blocks + 1) > int(most_levels))
    refuse(path, "its output_blocks don't make up a guided-diffusion network");
  const int levels = blocks / (c.res_blocks + 1);
  for (int level = 0; level < levels; ++level) {
    const std::string name = input(1 + level * (c.res_blocks + 1));
    c.widths.push_back(shapes.size(name + "0.out_layers.3.weight", 0, 4));
    c.attention.push_back(shapes.has(name + "1.qkv.weight"));
  }
  c.resblock_updown = levels > 1 && !shapes.has(input(c.res_blocks + 1) + "0.op.weight");
  c.scale_shift_norm = shapes.size(input(1) + "0.emb_layers.1.weight", 0, 2) == 2 * c.widths[0];
  const auto divides = [&](int channels) {
    return std::all_of(c.widths.begin(), c.widths.end(),
                       [&](std::int64_t width) { return width % channels == 0; });
  };
  if (!divides(c.head_channels)) c.head_channels = -1;
  check(c, path);
  return c;
}

AdmConfig adm_config_from_text(const std::string& text, const std::string& source, AdmConfig c) {
  constexpr std::size_t longest = 1 << 20;
  if (text.size() > longest) refuse(source, "is too long for a network's description");
  const Json json = Json::parse(
      text, [](int depth, Json::parse_event_t, Json&) { return depth <= 4; }, false);
  if (!json.is_object()) refuse(source, "is not a JSON object of create_model's arguments");
  for (const auto& [key, value] : json.items())
    if (std::none_of(std::begin(known_arguments), std::end(known_arguments),
                     [&](const char* known) { return key == known; }))
      refuse(source, "\"" + key + "\" isn't an argument of guided-diffusion's create_model");

  const Arguments arguments(json, source);
  read_diffusion(arguments, source, c);
  arguments.read("image_size", c.image_size);
  std::int64_t model_channels = c.model_channels;
  arguments.read("num_channels", model_channels);
  read_widths(arguments, source, c, model_channels);
  c.model_channels = model_channels;
  read_attention(arguments, c);
  arguments.read("num_res_blocks", c.res_blocks, 1, 64);
  arguments.read("in_channels", c.in_channels, 1, 3);
  bool learns = c.out_channels != c.in_channels;
  arguments.read("learn_sigma", learns);
  c.out_channels = learns ? 2 * c.in_channels : c.in_channels;
  if (arguments.has("num_heads")) {
    arguments.read("num_heads", c.heads, 1, most_channels);
    c.heads_upsample = c.heads;
    c.head_channels = -1;  // unless it is given too
  }
  std::int64_t upsample = -1;
  arguments.read("num_heads_upsample", upsample, -1);
  if (upsample > 0) c.heads_upsample = static_cast<int>(upsample);
  arguments.read("num_head_channels", c.head_channels, -1, most_channels);
  arguments.read("use_scale_shift_norm", c.scale_shift_norm);
  arguments.read("resblock_updown", c.resblock_updown);
  arguments.read("use_new_attention_order", c.new_attention_order);
  check(c, source);
  return c;
}

std::string adm_config_to_text(const AdmConfig& c) {
  std::vector<double> multipliers;
  std::vector<std::int64_t> resolutions;
  for (std::size_t level = 0; level < c.widths.size(); ++level) {
    multipliers.push_back(double(c.widths[level]) / double(c.model_channels));
    if (c.attention[level]) resolutions.push_back(c.image_size >> level);
  }
  return nlohmann::ordered_json{{"image_size", c.image_size},
                                {"in_channels", c.in_channels},
                                {"num_channels", c.model_channels},
                                {"num_res_blocks", c.res_blocks},
                                {"channel_mult", multipliers},
                                {"learn_sigma", c.learns_variance()},
                                {"attention_resolutions", resolutions},
                                {"num_heads", c.heads},
                                {"num_heads_upsample", c.heads_upsample},
                                {"num_head_channels", c.head_channels},
                                {"use_scale_shift_norm", c.scale_shift_norm},
                                {"resblock_updown", c.resblock_updown},
                                {"use_new_attention_order", c.new_attention_order},
                                {"noise_schedule", c.cosine ? "cosine" : "linear"}}
      .dump();
}

AdmConfig adm_256_config() {
  AdmConfig c;
  for (const std::int64_t multiplier : {1, 1, 2, 2, 4, 4}) c.widths.push_back(multiplier * c.model_channels);
  c.attention = {false, false, false, true, true, true};
  return c;
}

}  // namespace digfusion
