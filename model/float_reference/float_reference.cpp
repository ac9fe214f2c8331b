#include "model/float_reference/float_reference.hpp"

#include <algorithm>
#include <cmath>

namespace troupe {
namespace {

// Sixteen partial sums: exact enough for long rows, and the compiler may use wide instructions.
float dot(const float* a, const float* b, std::size_t n) {
  float lanes[16] = {};
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16)
    for (std::size_t lane = 0; lane < 16; ++lane) lanes[lane] += a[i + lane] * b[i + lane];
  float sum = 0.0F;
  for (; i < n; ++i) sum += a[i] * b[i];
  for (float lane : lanes) sum += lane;
  return sum;
}

void add(std::vector<float>& x, const std::vector<float>& y) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
}

void softmax(std::vector<float>& scores) {
  float max = *std::max_element(scores.begin(), scores.end());
  float sum = 0.0F;
  for (float& score : scores) sum += score = std::exp(score - max);
  for (float& score : scores) score /= sum;
}

float silu(float x) { return x / (1.0F + std::exp(-x)); }

std::vector<float> vector_of(const GgufTensor& tensor) {
  std::vector<float> values(tensor.shape[0]);
  dequantize_row(tensor.type, tensor.row(0), values.size(), values.data());
  return values;
}

}  // namespace

std::vector<float> FloatReference::Matrix::times(const std::vector<float>& x) const {
  std::vector<float> y(rows);
  for (std::uint32_t row = 0; row < rows; ++row) y[row] = dot(&values[std::size_t{row} * columns], x.data(), columns);
  return y;
}

FloatReference::Matrix FloatReference::read(const GgufTensor& tensor) {
  Matrix matrix;
  matrix.columns = static_cast<std::uint32_t>(tensor.shape[0]);
  matrix.rows = static_cast<std::uint32_t>(tensor.shape[1]);
  matrix.values.resize(std::size_t{matrix.columns} * matrix.rows);
  for (std::uint32_t row = 0; row < matrix.rows; ++row)
    dequantize_row(tensor.type, tensor.row(row), matrix.columns, &matrix.values[std::size_t{row} * matrix.columns]);
  return matrix;
}

FloatReference::FloatReference(const ModelDescription& model)
    : hyper_(model.hyper),
      rope_pairs_(model.rope_pairs),
      rope_divisors_(model.rope_divisors),
      token_embd_(read(*model.token_embd)),
      output_norm_(vector_of(*model.output_norm)) {
  if (!model.is_tied()) output_ = read(*model.output);
  for (const LayerTensors& t : model.layers)
    layers_.push_back({vector_of(*t.attn_norm), vector_of(*t.ffn_norm), read(*t.attn_q), read(*t.attn_k),
                       read(*t.attn_v), read(*t.attn_output), read(*t.ffn_gate), read(*t.ffn_up), read(*t.ffn_down)});
}

std::vector<float> FloatReference::rmsnorm(const std::vector<float>& x, const std::vector<float>& gain) const {
  float mean = dot(x.data(), x.data(), x.size()) / static_cast<float>(x.size());
  float factor = 1.0F / std::sqrt(mean + hyper_.rms_norm_eps);
  std::vector<float> y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] * factor * gain[i];
  return y;
}

void FloatReference::rotate(std::vector<float>& heads) const {
  std::uint32_t half = hyper_.head_dim / 2;
  for (std::uint32_t p = 0; p < half; ++p) {
    double frequency = std::pow(hyper_.rope_theta, -2.0 * p / hyper_.head_dim) / hyper_.rope_linear_factor;
    if (!rope_divisors_.empty()) frequency /= static_cast<double>(rope_divisors_[p]);
    float c = static_cast<float>(std::cos(position_ * frequency)),
          s = static_cast<float>(std::sin(position_ * frequency));
    bool adjacent = rope_pairs_ == RopePairs::kAdjacent;
    for (std::size_t head = 0; head < heads.size(); head += hyper_.head_dim) {
      float& first = heads[head + (adjacent ? 2 * p : p)];
      float& second = heads[head + (adjacent ? 2 * p + 1 : p + half)];
      float a = first, b = second;
      first = a * c - b * s;
      second = a * s + b * c;
    }
  }
}

std::vector<float> FloatReference::attend(std::size_t layer, const std::vector<float>& q) const {
  std::size_t head_dim = hyper_.head_dim, width = head_dim * hyper_.num_key_value_heads;
  std::size_t group = hyper_.num_attention_heads / hyper_.num_key_value_heads;
  double scale = hyper_.attention_scale > 0.0 ? hyper_.attention_scale : 1.0 / std::sqrt(static_cast<double>(head_dim));
  std::vector<float> out(q.size(), 0.0F), scores(position_ + 1);
  for (std::size_t head = 0; head < hyper_.num_attention_heads; ++head) {
    const float* k = &keys_[layer][head / group * head_dim];
    const float* v = &values_[layer][head / group * head_dim];
    for (std::size_t j = 0; j < scores.size(); ++j)
      scores[j] = dot(&q[head * head_dim], k + j * width, head_dim) * static_cast<float>(scale);
    softmax(scores);
    for (std::size_t j = 0; j < scores.size(); ++j)
      for (std::size_t d = 0; d < head_dim; ++d) out[head * head_dim + d] += scores[j] * v[j * width + d];
  }
  return out;
}

std::vector<float> FloatReference::step(TokenId token) {
  keys_.resize(layers_.size());
  values_.resize(layers_.size());
  const float* embedding = &token_embd_.values[static_cast<std::size_t>(token) * hyper_.hidden_size];
  std::vector<float> x(embedding, embedding + hyper_.hidden_size);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    std::vector<float> normed = rmsnorm(x, layer.attn_norm);
    std::vector<float> q = layer.q.times(normed), k = layer.k.times(normed), v = layer.v.times(normed);
    rotate(q);
    rotate(k);
    keys_[i].insert(keys_[i].end(), k.begin(), k.end());
    values_[i].insert(values_[i].end(), v.begin(), v.end());
    add(x, layer.o.times(attend(i, q)));

    normed = rmsnorm(x, layer.ffn_norm);
    std::vector<float> h = layer.gate.times(normed), up = layer.up.times(normed);
    for (std::size_t j = 0; j < h.size(); ++j) h[j] = silu(h[j]) * up[j];
    add(x, layer.down.times(h));
  }
  ++position_;
  return (output_.rows > 0 ? output_ : token_embd_).times(rmsnorm(x, output_norm_));
}

}  // namespace troupe
