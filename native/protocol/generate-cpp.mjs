// The shim's side: a struct for every message and step, readers for what the host says, writers for what the shim says.

const types = {
  u8: 'uint8_t',
  u32: 'uint32_t',
  i32: 'int32_t',
  u64: 'uint64_t',
  str: 'Text',
  blob: 'Blob',
  list: 'TextList',
  steps: 'StepList',
};
// A macro and a keyword.
const reserved = new Set(['errno', 'namespace']);
const member = (field) => (reserved.has(field) ? `${field}_` : field);
const capitalised = (name) => name[0].toUpperCase() + name.slice(1);

// Breaks a comment into lines.
function wrapped(text) {
  const lines = [''];
  for (const word of text.split(' ')) {
    if (lines.at(-1).length + word.length > 112) lines.push('');
    lines.push(`${lines.pop()} ${word}`.trimStart());
  }
  return lines.join('\n// ');
}

const enumeration = (name, entries) =>
  `enum class ${name} : uint8_t {\n${entries.map(([key, { code }]) => `  k${capitalised(key)} = ${code},\n`).join('')}};\n`;

function struct(name, suffix, { doc, fields }) {
  const members = Object.entries(fields).map(([field, type]) => `  ${types[type]} ${member(field)}{};\n`);
  const body = members.length === 0 ? '{}' : `{\n${members.join('')}}`;
  return `// ${wrapped(capitalised(doc))}.\nstruct ${capitalised(name)}${suffix} ${body};\n`;
}

function reader(name, suffix, { fields }) {
  const reads = Object.keys(fields).map((field) => `in.Read(&out->${member(field)})`);
  const unused = reads.length === 0 ? '' : ' out';
  const checks = [...reads, 'in.AtEnd()'].join(' &&\n         ');
  return `inline bool Read(FieldReader& in, ${capitalised(name)}${suffix}*${unused}) {\n  return ${checks};\n}\n`;
}

function writer(name, { fields }) {
  const writes = Object.keys(fields).map((field) => `  out.Write(message.${member(field)});\n`);
  return `inline void Write(FieldWriter& out, const ${capitalised(name)}Message& message) {\n  out.Write(static_cast<uint8_t>(ShimMessage::k${capitalised(name)}));\n${writes.join('')}}\n`;
}

const visitCase = (name) =>
  `    case StepCode::k${capitalised(name)}:\n      return visit(${capitalised(name)}Step{});\n`;

export function cppSide({ version, maxFrame, noStep, files, messages, steps }) {
  const host = Object.entries(messages.hostToShim);
  const shim = Object.entries(messages.shimToHost);
  const all = Object.entries(steps);
  const fileLines = Object.entries(files).map(
    ([key, { name, doc }]) =>
      `// ${wrapped(capitalised(doc))}.\nconstexpr char k${capitalised(key)}File[] = "${name}";\n`,
  );
  const names = all.map(([name]) => `    case StepCode::k${capitalised(name)}:\n      return "${name}";\n`);
  return `// Generated from protocol/protocol.json by protocol/generate.mjs; edit those.
#pragma once

#include "field.h"

namespace gantry {

constexpr uint32_t kProtocolVersion = ${version};
constexpr uint32_t kMaxFrame = ${maxFrame};
constexpr uint32_t kNoStep = ${noStep}u;

${fileLines.join('')}
${enumeration('HostMessage', host)}
${enumeration('ShimMessage', shim)}
${enumeration('StepCode', all)}
inline const char* StepName(StepCode code) {
  switch (code) {
${names.join('')}  }
  return "unknown step";
}

${host.map(([name, message]) => struct(name, 'Message', message)).join('\n')}
${host.map(([name, message]) => reader(name, 'Message', message)).join('\n')}
${shim.map(([name, message]) => struct(name, 'Message', message)).join('\n')}
${shim.map(([name, message]) => writer(name, message)).join('\n')}
${all.map(([name, step]) => struct(name, 'Step', step)).join('\n')}
${all.map(([name, step]) => reader(name, 'Step', step)).join('\n')}
// Reads the fields of a step and calls \`perform\` with its struct. False if the code is unknown or the fields malformed.
template <typename Perform>
bool VisitStep(StepCode code, FieldReader& in, Perform&& perform) {
  auto visit = [&](auto step) {
    if (!Read(in, &step)) return false;
    perform(step);
    return true;
  };
  switch (code) {
${all.map(([name]) => visitCase(name)).join('')}  }
  return false;
}

}  // namespace gantry
`;
}
