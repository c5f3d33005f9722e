// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/scene/lettering.h"

namespace digfusion::scene {
namespace {

/// Polylines on a lattice of 5 × 7 points: two digits a point (column, row from the top), a space between
/// lines.
constexpr std::string_view glyph(char letter) {
  switch (letter) {
    case 'A':
      return "062046 1434";
    case 'B':
      return "06003041423303 3344453606";
    case 'C':
      return "4130100105163645";
    case 'D':
      return "06002042442606";
    case 'E':
      return "40000646 0333";
    case 'F':
      return "400006 0333";
    case 'G':
      return "413010010516364543 4323";
    case 'H':
      return "0006 4046 0343";
    case 'I':
      return "2026 1030 1636";
    case 'J':
      return "4045361605";
    case 'K':
      return "0006 400346";
    case 'L':
      return "000646";
    case 'M':
      return "0600234046";
    case 'N':
      return "06004640";
    case 'O':
      return "103041453616050110";
    case 'P':
      return "06003041423303";
    case 'Q':
      return "103041453616050110 2446";
    case 'R':
      return "06003041423303 2346";
    case 'S':
      return "413010010213334445361605";
    case 'T':
      return "0040 2026";
    case 'U':
      return "000516364540";
    case 'V':
      return "002640";
    case 'W':
      return "0016233640";
    case 'X':
      return "0046 4006";
    case 'Y':
      return "002340 2326";
    case 'Z':
      return "00400646";
    case '0':
      return "103041453616050110";
    case '1':
      return "112026 1636";
    case '2':
      return "01103041420646";
    case '3':
      return "004023334445361605";
    case '4':
      return "36300444";
    case '5':
      return "4000033344453606";
    case '6':
      return "40200205163645443303";
    case '7':
      return "004016";
    case '8':
      return "13020110304142331304051636454433";
    case '9':
      return "06264441301001021343";
    default:
      return {};
  }
}

constexpr float column = 1.0f / 7, advance = 5.8f * column;  // of the letter height

}  // namespace

float text_width(std::string_view text, float height) {
  return text.empty() ? 0 : height * (advance * static_cast<float>(text.size() - 1) + 4 * column);
}

void add_text(std::vector<Paint>& paints, std::string_view text, Point centre, float height,
              const Paint& manner) {
  const float radius = height * 0.075f;
  Point origin = centre - Point{0.5f * text_width(text, height), 0.5f * height};
  for (const char letter : text) {
    Point previous = {};
    bool pen_down = false;
    const std::string_view strokes = glyph(letter);
    for (std::size_t i = 0; i + 1 < strokes.size(); i += pen_down ? 2 : 1) {
      if (strokes[i] == ' ') {
        pen_down = false;
        continue;
      }
      const Point at = origin + Point{static_cast<float>(strokes[i] - '0') * column * height,
                                      static_cast<float>(strokes[i + 1] - '0') * height / 6};
      if (pen_down) {
        Paint stroke = manner;
        stroke.shape = Shape::capsule(previous, at, radius, radius);
        paints.push_back(stroke);
      }
      previous = at;
      pen_down = true;
    }
    origin.u += advance * height;
  }
}

}  // namespace digfusion::scene
