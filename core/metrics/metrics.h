// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The figures by which image fusion is judged, of one fused picture and its two sources. No one of them
// stands alone (a plain average leads some, a plain maximum others): print the three baselines of
// core/metrics/baselines.h beside any method. Definitions and sources: statistics.h, gradients.h,
// structure.h.
#pragma once

#include <array>
#include <opencv2/core.hpp>

namespace digfusion::metrics {

struct Figures {
  double en = 0.0;        ///< entropy of f, bits
  double sd = 0.0;        ///< standard deviation of f
  double sf = 0.0;        ///< spatial frequency of f
  double ag = 0.0;        ///< average gradient of f
  double ei = 0.0;        ///< edge intensity of f
  double mi = 0.0;        ///< MI(f,a) + MI(f,b), nats
  double mse = 0.0;       ///< ½(MSE(a,f) + MSE(b,f))
  double psnr = 0.0;      ///< 10 log10(255²/mse) of that mean, decibel; infinite when a = b = f
  double cc = 0.0;        ///< ½(r(a,f) + r(b,f))
  double scd = 0.0;       ///< r(a, f-b) + r(b, f-a)
  double ssim = 0.0;      ///< SSIM(a,f) + SSIM(b,f)
  double viff = 0.0;      ///< vifp(a,f) + vifp(b,f), the source being the reference
  double qabf = 0.0;      ///< edges kept
  double nabf = 0.0;      ///< artefacts
  double psnr_sum = 0.0;  ///< PSNR(a,f) + PSNR(b,f), which some papers print as PSNR; not in `columns`
};

struct Column {
  const char* name;
  double Figures::*value;
};

/// The figures that a table of scores holds, in its order.
inline constexpr std::array<Column, 14> columns{{{"EN", &Figures::en},
                                                 {"SD", &Figures::sd},
                                                 {"SF", &Figures::sf},
                                                 {"AG", &Figures::ag},
                                                 {"EI", &Figures::ei},
                                                 {"MI", &Figures::mi},
                                                 {"MSE", &Figures::mse},
                                                 {"PSNR", &Figures::psnr},
                                                 {"CC", &Figures::cc},
                                                 {"SCD", &Figures::scd},
                                                 {"SSIM", &Figures::ssim},
                                                 {"VIFF", &Figures::viff},
                                                 {"Qabf", &Figures::qabf},
                                                 {"Nabf", &Figures::nabf}}};

/// Smallest height and width that can be scored: VIFF's windows need it.
extern const int minimum_side;

/// All figures. Pictures: luma on 0..255, CV_64F, one channel, one size, at least minimum_side high and wide.
/// Throws std::invalid_argument, naming the picture and what is wrong with it, for anything else (NaN
/// included). Reentrant.
Figures measure(const cv::Mat& fused, const cv::Mat& a, const cv::Mat& b);

}  // namespace digfusion::metrics
