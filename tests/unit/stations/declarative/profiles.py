"""Profiles of boxes that do not exist, right in every way; tests break them."""

MODBUS = """\
format: 1
id: box
vendor: Box
models: [Box 1]
protocol: modbus
confidence: read
sources: ["a test"]
transport: {kinds: [tcp, serial], unit: 255, max_registers: 20}
connectors: {default: 1, max: 2}
current_a: {min: 6, max: 16}
fingerprint: {matches: {probe: "^3"}, excludes: {firmware: "^9"}}
readings:
  status: {register: holding, address: 1000, type: u32, map: {0: available, 3: charging}}
  plugged: {register: input, address: 10, bit: 2}
  charging: {register: discrete, address: 11}
  power_w: {register: input, address: 20, type: i16, none: [0x8000, -1], scale: 0.1}
  limit_a: {register: holding, address: 30, type: f32, order: low_first}
  serial: {register: holding, address: 40, type: ascii, count: 8, slow: true, station: true}
  firmware: {register: holding, address: 50, from_firmware: "1.2", to_firmware: "v2.0"}
  probe: {register: holding, address: 60, type: u64}
orders:
  limit_a:
    zero_pauses: true
    read_back: limit_a
    write: [{register: holding, function: 6, address: 70, scale: 0.1}]
  pause: {write: [{register: coil, function: 5, address: 1, value: 0}]}
  resume: {write: [{register: coil, function: 15, address: 1, value: 1, delay_s: 0.5}]}
  phases: {write: [{register: holding, function: 16, address: 71, type: u32, map: {0: 1, 1: 3}}]}
  renew: {write: [{register: holding, function: 6, address: 72, value: 1}]}
watchdog: {renewed_by: order, timeout_s: 60, fallback_a: 6}
"""

MQTT = """\
format: 1
id: talker
vendor: Talker
models: [Talker 1]
protocol: mqtt
confidence: vendor
sources: ["a test"]
transport:
  prefix: "talker/{id}"
  discovery: ["talker/+/status"]
  availability: {topic: "{prefix}/online"}
  online: "true|1"
  stale_after_s: 60
readings:
  status: {topic: "{prefix}/{connector}/car", map: {idle: available, charging: charging}}
  plugged: {topic: "{prefix}/plug", path: [0, plugged]}
  power_w: {topic: "{prefix}/power", json: false, scale: 1000, pattern: "^([0-9.]+) kW$"}
  token: {topic: "{prefix}/card"}
orders:
  limit_a: {write: [{topic: "{prefix}/amp/set", acknowledge: "{prefix}/amp/result"}]}
  pause:
    write:
      - topic: "{prefix}/{connector}/frc/set"
        payload: '{"frc": 1, "at": {now}}'
        retain: false
        qos: 1
  resume: {write: [{topic: "{prefix}/frc/set", value: 2}]}
"""

ENTITIES = """\
format: 1
id: others
vendor: Others
models: [Others 1]
protocol: entities
integration: others
confidence: experimental
sources: ["a test"]
readings:
  status: {entity: sensor.status, map: {Charging: charging}, default: available}
  power_w: {entity: "sensor.power#watts", optional: true}
orders:
  unlock: {write: [{entity: button.unlock}]}
  pause: {write: [{entity: switch.charge, value: false}]}
  resume: {write: [{entity: switch.charge, value: true}]}
notes: [slow]
"""
