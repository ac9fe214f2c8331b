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

// Empty for a tensor that is not there.
std::vector<float> vector_of(const GgufTensor* tensor) {
  if (tensor == nullptr) return {};
  std::vector<float> values(tensor->shape[0]);
  dequantize_row(tensor->type, tensor->row(0), values.size(), values.data());
  return values;
}

void cap(float& x, double limit) {
  if (limit > 0.0) x = static_cast<float>(limit) * std::tanh(x / static_cast<float>(limit));
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

FloatReference::FloatReference(const ModelDescription& model, std::uint32_t context)
    : hyper_(model.hyper),
      rope_pairs_(model.rope_pairs),
      activation_(model.activation),
      embedding_scale_(model.embedding_scale),
      context_(context == 0 ? model.hyper.context_length : context),
      token_embd_(read(*model.token_embd)),
      output_norm_(vector_of(model.output_norm)) {
  if (!model.is_tied()) output_ = read(*model.output);
  for (const LayerTensors& t : model.layers) {
    Layer layer;
    layer.attn_norm = vector_of(t.attn_norm), layer.ffn_norm = vector_of(t.ffn_norm);
    layer.q_bias = vector_of(t.attn_q_bias), layer.k_bias = vector_of(t.attn_k_bias);
    layer.v_bias = vector_of(t.attn_v_bias), layer.o_bias = vector_of(t.attn_output_bias);
    layer.q_norm = vector_of(t.attn_q_norm), layer.k_norm = vector_of(t.attn_k_norm);
    layer.post_attention_norm = vector_of(t.post_attention_norm);
    layer.post_ffw_norm = vector_of(t.post_ffw_norm);
    layer.q = read(*t.attn_q), layer.k = read(*t.attn_k), layer.v = read(*t.attn_v), layer.o = read(*t.attn_output);
    layer.gate = read(*t.ffn_gate), layer.up = read(*t.ffn_up), layer.down = read(*t.ffn_down);
    layer.attention = model.attention[t.attention];
    layers_.push_back(std::move(layer));
  }
}

std::vector<float> FloatReference::rmsnorm(const std::vector<float>& x, const std::vector<float>& gain) const {
  if (gain.empty()) return x;
  float mean = dot(x.data(), x.data(), x.size()) / static_cast<float>(x.size());
  float factor = 1.0F / std::sqrt(mean + hyper_.rms_norm_eps);
  std::vector<float> y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] * factor * gain[i];
  return y;
}

std::vector<float> FloatReference::project(const Matrix& matrix, const std::vector<float>& bias,
                                           const std::vector<float>& x) const {
  std::vector<float> y = matrix.times(x);
  if (!bias.empty()) add(y, bias);
  return y;
}

void FloatReference::normalise_heads(std::vector<float>& heads, const std::vector<float>& gain) const {
  if (gain.empty()) return;
  for (std::size_t begin = 0; begin < heads.size(); begin += hyper_.head_dim) {
    std::vector<float> head = rmsnorm({heads.begin() + begin, heads.begin() + begin + hyper_.head_dim}, gain);
    std::copy(head.begin(), head.end(), heads.begin() + begin);
  }
}

void FloatReference::rotate(std::vector<float>& heads, const RopeDescription& rope) const {
  std::uint32_t half = rope.dims / 2;
  const std::vector<double>& divisors = rope.divisors_for(context_);
  for (std::uint32_t p = 0; p < half; ++p) {
    double frequency = std::pow(rope.theta, -2.0 * p / rope.dims) / rope.linear_factor;
    if (!divisors.empty()) frequency /= divisors[p];
    float c = static_cast<float>(std::cos(position_ * frequency) * rope.magnitude),
          s = static_cast<float>(std::sin(position_ * frequency) * rope.magnitude);
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
  std::size_t window = layers_[layer].attention.window, end = position_ + 1;
  std::size_t begin = window > 0 && end > window ? end - window : 0;
  std::vector<float> out(q.size(), 0.0F), scores(end - begin);
  for (std::size_t head = 0; head < hyper_.num_attention_heads; ++head) {
    const float* k = &keys_[layer][begin * width + head / group * head_dim];
    const float* v = &values_[layer][begin * width + head / group * head_dim];
    for (std::size_t j = 0; j < scores.size(); ++j) {
      scores[j] = dot(&q[head * head_dim], k + j * width, head_dim) * static_cast<float>(scale);
      cap(scores[j], hyper_.attn_logit_softcapping);
    }
    softmax(scores);
    for (std::size_t j = 0; j < scores.size(); ++j)
      for (std::size_t d = 0; d < head_dim; ++d) out[head * head_dim + d] += scores[j] * v[j * width + d];
  }
  return out;
}

float FloatReference::activate(float x) const {
  if (activation_ == Activation::kSilu) return x / (1.0F + std::exp(-x));
  return 0.5F * x * (1.0F + std::tanh(0.7978845608F * (x + 0.044715F * x * x * x)));
}

std::vector<float> FloatReference::step(TokenId token) {
  keys_.resize(layers_.size());
  values_.resize(layers_.size());
  const float* embedding = &token_embd_.values[static_cast<std::size_t>(token) * hyper_.hidden_size];
  std::vector<float> x(embedding, embedding + hyper_.hidden_size);
  for (float& value : x) value *= embedding_scale_;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    std::vector<float> normed = rmsnorm(x, layer.attn_norm);
    std::vector<float> q = project(layer.q, layer.q_bias, normed), k = project(layer.k, layer.k_bias, normed),
                       v = project(layer.v, layer.v_bias, normed);
    normalise_heads(q, layer.q_norm);
    normalise_heads(k, layer.k_norm);
    rotate(q, layer.attention.rope);
    rotate(k, layer.attention.rope);
    keys_[i].insert(keys_[i].end(), k.begin(), k.end());
    values_[i].insert(values_[i].end(), v.begin(), v.end());
    add(x, rmsnorm(project(layer.o, layer.o_bias, attend(i, q)), layer.post_attention_norm));

    normed = rmsnorm(x, layer.ffn_norm);
    std::vector<float> h = layer.gate.times(normed), up = layer.up.times(normed);
    for (std::size_t j = 0; j < h.size(); ++j) h[j] = activate(h[j]) * up[j];
    add(x, rmsnorm(layer.down.times(h), layer.post_ffw_norm));
  }
  ++position_;
  hidden_state_ = rmsnorm(x, output_norm_);
  std::vector<float> logits = (output_.rows > 0 ? output_ : token_embd_).times(hidden_state_);
  for (float& logit : logits) cap(logit, hyper_.final_logit_softcapping);
  return logits;
}

}  // namespace troupe
