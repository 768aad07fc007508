"""Charging stations and cars that do not exist: the other side of tests, demo and benchmarks.

The simulator is written against the specifications of OCPP 1.6J, 2.0.1 and 2.1, not against
Forecourt, and imports nothing of it nor of Home Assistant.

In a test::

    from simulator import Clock, ManualClock, Ocpp16Station, RawClient, StationConfig

    config = StationConfig("SIM-1", settings={"MeterValueSampleInterval": "1"})
    async with Ocpp16Station(config, "ws://127.0.0.1:9000", clock=Clock(speed=600)) as station:
        await station.wait_for(lambda s: s.ready)               # BootNotification accepted
        await station.plug(1, "family", soc=0.2)                # name, CarModel or Car
        assert await station.tap("04AABBCC") == "started"
        await station.wait_for(lambda s: s.connector(1).status == "Charging")
        await station.fault("offline", seconds=1)
        await station.tap("04AABBCC")                           # same card: stops
        await station.wait_for(lambda s: not len(s.outbox))     # everything delivered
        assert station.books.violations == []

`Clock(speed)`: plant seconds per wall second. Only physics are accelerated: intervals, time-outs
and time stamps of messages are wall time. `ManualClock(speed, start)` stands still until
`await clock.advance(seconds)`. Several stations may share a clock.

`StationConfig(identity, ...)`: see `simulator.ocpp16.config`; among others connectors, password,
phases, max_current_a, feed_current_a, rate_units, settings (configuration keys), autostart_tag,
call_timeout_s, reconnect_s.

`Ocpp16Station(config, url, *, clock=None, books_file=None)`::

    start(), stop(), or as asynchronous context manager
    plug(connector, car, *, soc=0.3, target_soc=1.0) -> Car, unplug(connector=1) -> Car
    tap(card, connector=None) -> started | stopped | waiting (for the plug) | cancelled | refused
                                 | busy (used by others) | ignored (no power, out of service)
    wake(connector=1), fault(name, **parameters), wait_for(condition, timeout=5.0), state()
    books, settings, profiles, outbox, registration, online, ready, connectors, connector(n)

A connector has status, transaction (transaction_id, id_tag, meter_start_wh), evse (register_wh,
power_w, currents_a, limit_a, offer_a, phases_offered, state, car, delivered_wh), operative,
error_code.

OCPP 2.0.1 and 2.1 have the same face, where an outlet is an EVSE::

    from simulator import Config201, Ocpp201Station

    config = Config201("SIM-2", variables={"SampledDataCtrlr.TxUpdatedInterval": "1"})
    async with Ocpp201Station(config, "ws://127.0.0.1:9000", clock=Clock(speed=600)) as station:
        ...
        await station.wait_for(lambda s: s.evse(1).charging_state == "Charging")

`Config201(identity, ...)`: see `simulator.ocpp201.config`; among others version or versions (what
is offered, the best first), evses, connectors (of each), tx_start_point, tx_stop_point, variables
(`Component.Variable`: value, None: there is no such variable), reports_chunk, token_type,
auth_enabled, autostart_token, tls.

`Ocpp201Station(config, url, *, clock=None, books_file=None)`::

    start(), stop(), plug(evse, car, *, soc, target_soc, connector=1), unplug(evse=1),
    tap(card, evse=None), wake(evse=1), fault(name, **parameters), wait_for(condition, timeout=5.0),
    state()                         as above; `connectors` of the state has an entry for every EVSE
    send(action, payload) -> answer any message of the version, checked by its schema
    limit_externally(evse, current_a or None, source="EMS")      NotifyChargingLimit and its end
    books, variables, profiles, outbox, registration, online, ready, version, outlets, evse(n);
    connector(n) is the same as evse(n)

An EVSE has status, charging_state, transaction (transaction_id, the station's own string; token,
started, meter_start_wh, total_cost), permit (who may charge), evse (as above), connectors
(operative, error_code), plugged (the connector in use).

Cars (`simulator.cars.CARS`): family 3 x 16 A, compact 1 x 32 A, city 1 x 16 A, two-phase 2 x 16 A,
fast 3 x 32 A, picky (at least 8 A), sleeper and hybrid (asleep after 600 plant seconds without an
offer; `wake`, replugging, a new transaction or Inoperative and Operative again wake them),
veteran 1 x 10 A.

Faults (`simulator.faults`) with their parameters and defaults::

    drop {reset=false}                the socket vanishes without a close, and comes again
    offline {seconds=0}, online {}    no network; 0: until online
    freeze {seconds}                  the socket stays, but nothing is read, written or ponged
    reboot {}                         crash and boot
    power_loss {seconds=0}, power_return {}
    garbage {kind}                    kinds: simulator.garbage.GARBAGE
    duplicate {action, new_id=false, upcoming=false}   returns {"answer"} or {"error"}
    lose_reading {count=1}            the next messages with meter values are in the books, never
                                      sent; the seqNo of a TransactionEvent is then missing
    skew_clock {seconds}              until 0
    register_zero {connector=1, count=1}
    session_register {connector=1, on=true}
    replace_meter {connector=1, register_wh=0}
    connector_error {connector=1, error_code="GroundFailure"}   NoError ends it
    emergency_stop {connector=1}      the transaction ends with EmergencyStop
    no_answer {count=1}               the server's next calls stay unanswered

Their connector is an EVSE since OCPP 2.0.1.

A box that speaks Modbus has the same face as far as it goes::

    from simulator import ModbusConfig, ModbusStation

    async with ModbusStation(ModbusConfig(identity="BOX", model="keba_p30")) as box:
        await box.plug(1, "family")                             # talk to 127.0.0.1:box.port
        await box.wait_for(lambda b: b.outlet(1).limit_a == 10)
        await box.fault("silent")

Its faults: none, silent, exception {code}, busy {count=1}, short, garbage {text}, hang_up, late
{seconds}, drop. Its models (`simulator.modbus.FACES`): generic, keba_p30, alfen_eve; for registers
alone, see `simulator.modbus.server`. As a process: `--protocol modbus --box MODEL [--port N]`; the
line of JSON then has `ports`.

A box that speaks MQTT, a go-eCharger, likewise; it needs a broker::

    from simulator import MqttConfig, MqttStation

    async with MqttStation(MqttConfig(identity="123456", port=1883)) as box:
        await box.wait_for(lambda b: b.online)                  # its topics: go-eCharger/123456/...
        await box.plug(1, "family")
        await box.wait_for(lambda b: b.box.limit_a == 10)

Its faults: offline {seconds=0}, online, drop, silent, refuse {word}, late {seconds}, error {code},
none. It knows the cards of `MqttConfig.cards` only: any other is refused. As a process:
`--protocol mqtt --broker HOST:PORT`; the state has `online` and `prefix`.

`RawClient(url, identity, *, password=None, subprotocols=("ocpp1.6",))`, an asynchronous context
manager: connect(), send(text | bytes | list), receive(timeout) -> parsed frame, or None when closed
(then see close_code), call(action, payload) -> the answering frame, boot(), drop(reset=False),
close().

Books (`station.books`, `books.as_dict()`), all energies Wh, times ISO 8601::

    plug_ins      connector, car, plugged, unplugged, energy_wh (the truth)
    transactions  number, connector, id_tag, started, meter_start_wh, transaction_id, start_status,
                  start_delivered, stopped, meter_stop_wh, reason, stop_delivered
                  (connector: the EVSE, id_tag: the last token since OCPP 2.0.1)
    readings      number, connector, transaction (number), timestamp, register_wh (the truth),
                  reported_wh, context, state: queued | sent | confirmed | lost
    refused       card, status
    violations    kind, detail: what the server did against the protocol (kinds: simulator.rpc, and
                  wrong_subprotocol, bad_time, call_while_rejected, call_while_pending,
                  remote_transaction_while_pending, transaction_id_reused, transaction_id_changed)
    flash_writes  purpose, change: writes of persistent charging profiles
    notes         event and more

In a file (`BooksFile(path)`, `--books`) the same as JSON lines `{"book", "station", "at", ...}`:
plugged, unplugged, transaction (whole again after each change; the last of a number holds),
reading, reading_state (number, state), refused, violation, flash_write, note.

As a process: `python -m simulator --station SIM-1 [--station SIM-2] --url ws://127.0.0.1:9000
[--protocol 1.6|2.0.1|2.1|modbus|mqtt] [--connectors 1] [--speed 60] [--control-port 0]
[--books FILE] [--seed N] [--password P] [--ca FILE] [--set KEY=VALUE] ...`. It prints
`{"event": "ready", "control_port": N, "stations": [...]}` and ends on SIGTERM. Control is JSON over
HTTP on 127.0.0.1; `station` may be left out if there is one only; 400 and `{"error"}` say what is
possible::

    POST /plug {station, connector=1, car="family", soc=0.3, target_soc=1.0} -> state
    POST /unplug {station, connector=1} -> state      POST /wake {station, connector=1} -> state
    POST /tap {station, card, connector?} -> {"result"}
    POST /fault {station, fault, ...parameters}       POST /speed {speed}
    GET /state -> {"speed", "stations": {id: state}}
    GET /books -> {"stations": {id: books}}           GET /cars     GET /faults

`ControlClient(port)` wraps these for scripts: plug, unplug, tap, wake, fault, speed, state, books,
cars, faults, and wait_for(station, timeout, connector, field=value, ...).
"""

from .books import Books, BooksFile
from .cars import CARS, Car, CarModel
from .client import ControlClient, ControlError
from .clock import Clock, ManualClock
from .control import ControlServer
from .modbus import ModbusConfig, ModbusStation
from .mqtt import MqttConfig, MqttStation
from .ocpp16 import Ocpp16Station, StationConfig
from .ocpp201 import Config201, Ocpp201Station
from .raw import RawClient

__all__ = [
    "CARS",
    "Books",
    "BooksFile",
    "Car",
    "CarModel",
    "Clock",
    "Config201",
    "ControlClient",
    "ControlError",
    "ControlServer",
    "ManualClock",
    "ModbusConfig",
    "ModbusStation",
    "MqttConfig",
    "MqttStation",
    "Ocpp16Station",
    "Ocpp201Station",
    "RawClient",
    "StationConfig",
]
