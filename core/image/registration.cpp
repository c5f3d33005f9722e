// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/registration.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/interface/error.h"

namespace digfusion {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::invalid_argument, "registration " + what);
}

/// Numbers with commas between; nothing when the text is something else, such as a file's name.
std::optional<std::vector<double>> parse_numbers(std::string_view text) {
  std::vector<double> numbers;
  for (;;) {
    const std::size_t comma = std::min(text.find(','), text.size());
    std::string_view part = text.substr(0, comma);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    double number = 0;
    const auto [stop, error] = std::from_chars(part.data(), part.data() + part.size(), number);
    if (error != std::errc() || stop != part.data() + part.size()) return {};
    numbers.push_back(number);
    if (comma == text.size()) return numbers;
    text.remove_prefix(comma + 1);
  }
}

Homography homography_of(std::vector<double> numbers, const std::string& where) {
  if (numbers.size() == 6) numbers.insert(numbers.end(), {0, 0, 1});
  if (numbers.size() != 9)
    refuse(where + ": " + std::to_string(numbers.size()) +
           " numbers; 6 (affine) or 9 (homography) are needed, row by row");
  Homography h;
  std::copy(numbers.begin(), numbers.end(), h.begin());
  for (const double number : h)
    if (!std::isfinite(number)) refuse(where + ": a number isn't finite");
  try {
    (void)inverse(h);
  } catch (const Error&) {
    refuse(where + ": the matrix has no inverse: it takes the infrared picture to a line or a point");
  }
  return h;
}

/// Reads one file; every error names it and the member.
class File {
 public:
  explicit File(std::string path) : path_(std::move(path)) {
    std::ifstream stream(path_);
    stream.peek();  // a folder opens, but can't be read
    if (!stream.is_open() || stream.bad())
      refuse("\"" + path_ +
             "\": can't be read; give a JSON file as digfusion calibrate writes it, or 6 or 9 numbers with "
             "commas between");
    root_ = json::parse(stream, nullptr, /*allow_exceptions=*/false, /*ignore_comments=*/true);
    if (!root_.is_object()) refuse("\"" + path_ + "\": not a JSON file of a registration");
  }

  Registration registration() const {
    Registration r;
    r.visible = camera("visible");
    r.infrared = camera("infrared");
    const bool affine = root_.contains("affine");
    if (affine == root_.contains("homography")) refuse(place("") + "needs one of homography and affine");
    const char* name = affine ? "affine" : "homography";
    r.to_visible = homography_of(matrix(root_, name, affine ? 2 : 3), "\"" + path_ + "\", " + name);
    return r;
  }

 private:
  std::string place(const std::string& member) const {
    return "\"" + path_ + "\": " + (member.empty() ? "" : member + " ");
  }

  RegisteredCamera camera(const std::string& name) const {
    const auto found = root_.find(name);
    if (found == root_.end() || !found->is_object()) refuse(place(name) + "must be an object");
    RegisteredCamera camera{{side(*found, name, "width"), side(*found, name, "height")}, {}};
    if (found->contains("lens")) camera.lens.emplace(lens((*found)["lens"], name + ".lens"));
    return camera;
  }

  std::int64_t side(const json& object, const std::string& camera, const char* name) const {
    const auto found = object.find(name);
    if (found == object.end() || !found->is_number_integer() || found->get<std::int64_t>() < 1 ||
        found->get<std::int64_t>() > 1 << 20)
      refuse(place(camera + "." + name) + "must be the picture's, a whole number of pixels");
    return found->get<std::int64_t>();
  }

  Lens lens(const json& object, const std::string& name) const {
    if (!object.is_object()) refuse(place(name) + "must be an object");
    const json model = object.value("model", json("opencv"));
    if (model != "opencv" && model != "fisheye") refuse(place(name + ".model") + "must be opencv or fisheye");
    const std::vector<double> k = matrix(object, "camera_matrix", 3);
    if (k[1] != 0 || k[3] != 0 || k[6] != 0 || k[7] != 0 || k[8] != 1)
      refuse(place(name + ".camera_matrix") + "must be [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]");
    const json distortion = object.value("distortion", json());
    if (!all_numbers(distortion)) refuse(place(name + ".distortion") + "must be a list of numbers");
    try {
      return Lens({model == "fisheye" ? LensModel::fisheye : LensModel::opencv, k[0], k[4], k[2], k[5],
                   distortion.get<std::vector<double>>()});
    } catch (const Error& error) {
      refuse(place(name) + error.what());
    }
  }

  static bool all_numbers(const json& list) {
    return list.is_array() &&
           std::all_of(list.begin(), list.end(), [](const json& item) { return item.is_number(); });
  }

  /// Of three columns.
  std::vector<double> matrix(const json& object, const char* name, std::size_t rows) const {
    std::vector<double> numbers;
    const json found = object.value(name, json());
    const bool right = found.is_array() && found.size() == rows &&
                       std::all_of(found.begin(), found.end(),
                                   [](const json& row) { return all_numbers(row) && row.size() == 3; });
    if (!right) refuse(place(name) + "must be a list of " + std::to_string(rows) + " lists of 3 numbers");
    for (const json& row : found)
      for (const json& item : row) numbers.push_back(item.get<double>());
    return numbers;
  }

  std::string path_;
  json root_;
};

json camera_json(const RegisteredCamera& camera) {
  json object{{"width", camera.size.width}, {"height", camera.size.height}};
  if (camera.lens) {
    const LensParameters& p = camera.lens->parameters();
    object["lens"] = {{"model", p.model == LensModel::fisheye ? "fisheye" : "opencv"},
                      {"camera_matrix", {{p.fx, 0, p.cx}, {0, p.fy, p.cy}, {0, 0, 1}}},
                      {"distortion", p.distortion}};
  }
  return object;
}

double ratio(std::int64_t known, std::int64_t at_hand) {
  return known == 0 ? 1 : double(known) / double(at_hand);
}

}  // namespace

std::optional<Point> mapped(const Homography& h, Point p) {
  const double z = h[6] * p.x + h[7] * p.y + h[8];
  if (!(z > 1e-12)) return {};
  return Point{(h[0] * p.x + h[1] * p.y + h[2]) / z, (h[3] * p.x + h[4] * p.y + h[5]) / z};
}

Homography inverse(const Homography& h) {
  const Homography adjugate{h[4] * h[8] - h[5] * h[7], h[2] * h[7] - h[1] * h[8], h[1] * h[5] - h[2] * h[4],
                            h[5] * h[6] - h[3] * h[8], h[0] * h[8] - h[2] * h[6], h[2] * h[3] - h[0] * h[5],
                            h[3] * h[7] - h[4] * h[6], h[1] * h[6] - h[0] * h[7], h[0] * h[4] - h[1] * h[3]};
  const double determinant = h[0] * adjugate[0] + h[1] * adjugate[3] + h[2] * adjugate[6];
  double size = 0;
  for (const double number : h) size = std::max(size, std::abs(number));
  if (!(std::abs(determinant) > 1e-14 * size * size * size))
    throw Error(ErrorCode::invalid_argument, "the matrix has no inverse");
  Homography result = adjugate;
  for (double& number : result) number /= determinant;
  return result;
}

std::optional<Registration> parse_registration(std::string_view text) {
  if (text.empty()) return {};
  const auto numbers = parse_numbers(text);
  if (!numbers) return File(std::string(text)).registration();
  Registration r;
  r.to_visible = homography_of(*numbers, "\"" + std::string(text) + "\"");
  return r;
}

std::string to_json(const Registration& r, std::string_view notes) {
  json object = json::parse(notes);
  object["visible"] = camera_json(r.visible);
  object["infrared"] = camera_json(r.infrared);
  const Homography& h = r.to_visible;
  object["homography"] = {{h[0], h[1], h[2]}, {h[3], h[4], h[5]}, {h[6], h[7], h[8]}};
  return object.dump(2) + "\n";
}

PixelMap::PixelMap(const Registration& registration, Size visible, Size infrared)
    : registration_(registration),
      to_infrared_(inverse(registration.to_visible)),
      visible_x_(ratio(registration.visible.size.width, visible.width)),
      visible_y_(ratio(registration.visible.size.height, visible.height)),
      infrared_x_(ratio(registration.infrared.size.width, infrared.width)),
      infrared_y_(ratio(registration.infrared.size.height, infrared.height)) {
  // A homography's sign is free. This one has what the infrared camera sees before the horizon.
  const Homography& h = registration.to_visible;
  const Point centre{(double(infrared.width) * infrared_x_ - 1) / 2,
                     (double(infrared.height) * infrared_y_ - 1) / 2};
  if (h[6] * centre.x + h[7] * centre.y + h[8] < 0)
    for (Homography* turned : {&to_infrared_, &registration_.to_visible})
      for (double& number : *turned) number = -number;
}

std::optional<Point> PixelMap::to_infrared(Point seen) const {
  std::optional<Point> p = Point{(seen.x + .5) * visible_x_ - .5, (seen.y + .5) * visible_y_ - .5};
  if (registration_.visible.lens) p = registration_.visible.lens->undistort(*p);
  if (p) p = mapped(to_infrared_, *p);
  if (p && registration_.infrared.lens) p = registration_.infrared.lens->distort(*p);
  if (!p) return {};
  return Point{(p->x + .5) / infrared_x_ - .5, (p->y + .5) / infrared_y_ - .5};
}

std::optional<Point> PixelMap::to_visible(Point seen) const {
  std::optional<Point> p = Point{(seen.x + .5) * infrared_x_ - .5, (seen.y + .5) * infrared_y_ - .5};
  if (registration_.infrared.lens) p = registration_.infrared.lens->undistort(*p);
  if (p) p = mapped(registration_.to_visible, *p);
  if (p && registration_.visible.lens) p = registration_.visible.lens->distort(*p);
  if (!p) return {};
  return Point{(p->x + .5) / visible_x_ - .5, (p->y + .5) / visible_y_ - .5};
}

}  // namespace digfusion
