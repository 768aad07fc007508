"""A broker of a box: connected to, lost, found again, and never by the wrong people."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from aiomqtt import Client
import pytest

from custom_components.forecourt.stations.declarative.link import LinkError, LinkFault
from custom_components.forecourt.stations.mqtt.own_broker import Address, OwnBroker, Tls

from .mosquitto import Certificates, Mosquitto, free_port

type Told = asyncio.Queue[tuple[str, bytes, bool]]


@asynccontextmanager
async def dialling(address: Address) -> AsyncIterator[OwnBroker]:
    async with OwnBroker(address, timeout_s=2, first_wait_s=0.02, longest_wait_s=0.1) as broker:
        yield broker


def local(port: int) -> Address:
    return Address(host="127.0.0.1", port=port)


async def listen(broker: OwnBroker, topic: str) -> Told:
    told: Told = asyncio.Queue()
    await broker.subscribe(topic, lambda *message: told.put_nowait(message))
    return told


async def until(broker: OwnBroker, *, connected: bool) -> None:
    changed = asyncio.Event()
    stop = broker.on_connection(lambda _: changed.set())
    if broker.connected is not connected:
        await changed.wait()
    stop()


async def test_a_message_arrives_and_says_whether_the_broker_had_it(
    broker: OwnBroker, wire: Client
) -> None:
    await wire.publish("box/old", "1", retain=True)
    told = await listen(broker, "box/+")
    assert await told.get() == ("box/old", b"1", True)
    await wire.publish("box/new", b"\xff")
    assert await told.get() == ("box/new", b"\xff", False)


async def test_what_is_published_arrives(broker: OwnBroker, wire: Client) -> None:
    await wire.subscribe("box/set")
    await broker.publish("box/set", "16", qos=1, retain=False)
    message = await anext(aiter(wire.messages))
    assert (message.topic.value, message.payload) == ("box/set", b"16")


async def test_who_no_longer_listens_is_not_told(broker: OwnBroker, wire: Client) -> None:
    gone: list[str] = []
    stop = await broker.subscribe("a", lambda topic, *_: gone.append(topic))
    told = await listen(broker, "b")
    both = await listen(broker, "a")
    stop()
    stop()
    await wire.publish("a", "1")
    await wire.publish("b", "1")
    await told.get()
    assert await both.get() == ("a", b"1", False)
    assert gone == []


async def test_the_last_listener_takes_the_subscription_along(
    broker: OwnBroker, wire: Client
) -> None:
    stop = await broker.subscribe("a", lambda *_: None)
    stop()
    told = await listen(broker, "b")
    await wire.publish("a", "1")
    await wire.publish("b", "1")
    assert (await told.get())[0] == "b"


async def test_who_comes_when_the_last_one_goes_is_told(broker: OwnBroker, wire: Client) -> None:
    stop = await broker.subscribe("a", lambda *_: None)
    stop()
    told = await listen(broker, "a")
    later = await listen(broker, "b")
    await wire.publish("a", "1")
    await wire.publish("b", "1")
    await later.get()
    assert told.get_nowait() == ("a", b"1", False)


async def test_a_broker_that_comes_back_finds_everybody_listening(
    mosquitto: Mosquitto, broker: OwnBroker
) -> None:
    told = await listen(broker, "box/state")
    seen: list[bool] = []
    stop = broker.on_connection(seen.append)
    await mosquitto.stop()
    await until(broker, connected=False)
    with pytest.raises(LinkError) as lost:
        await broker.publish("box/set", "1")
    assert lost.value.fault is LinkFault.REFUSED
    while_away = await listen(broker, "box/other")
    await mosquitto.start()
    await until(broker, connected=True)
    async with Client("127.0.0.1", mosquitto.port) as wire:
        await wire.publish("box/state", "1")
        await wire.publish("box/other", "2")
        assert (await told.get())[1] == b"1"
        assert (await while_away.get())[1] == b"2"
    assert seen == [False, True]
    stop()
    stop()
    await mosquitto.stop()
    await until(broker, connected=False)
    assert seen == [False, True]


async def test_nobody_there() -> None:
    async with dialling(local(free_port())) as broker:
        with pytest.raises(LinkError) as nobody:
            await broker.publish("a", "1")
        assert nobody.value.fault is LinkFault.TIMEOUT
        with pytest.raises(LinkError) as refused:
            await broker.wait_connected()
        assert refused.value.fault is LinkFault.REFUSED
        assert not broker.connected


async def test_a_listener_who_says_nothing() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with OwnBroker(local(port), timeout_s=0.1, keepalive_s=1) as broker:
            with pytest.raises(LinkError) as silent:
                await broker.wait_connected()
            assert silent.value.fault is LinkFault.TIMEOUT


async def test_user_and_password(tmp_path: Path) -> None:
    async with Mosquitto(tmp_path, users={"box": "hidden secret"}) as mosquitto:
        right = replace(local(mosquitto.port), username="box", password="hidden secret")
        async with dialling(right) as broker:
            await broker.wait_connected()
        for wrong in (replace(right, password="hidden guess"), local(mosquitto.port)):
            async with dialling(wrong) as broker:
                with pytest.raises(LinkError) as refused:
                    await broker.wait_connected()
                assert refused.value.fault is LinkFault.NOT_AUTHENTICATED
                assert "hidden" not in f"{refused.value!r} {wrong!r}"


async def test_tls_and_the_certificate_of_the_broker(
    tmp_path: Path, certificates: Certificates
) -> None:
    async with Mosquitto(tmp_path, tls=certificates) as mosquitto:
        plain = local(mosquitto.port)
        async with dialling(replace(plain, tls=Tls(authorities=certificates.authority))) as broker:
            await broker.wait_connected()
            told = await listen(broker, "a")
            await broker.publish("a", "1")
            assert (await told.get())[1] == b"1"
        for tls in (Tls(), Tls(authorities=Certificates.make().authority)):
            async with dialling(replace(plain, tls=tls)) as broker:
                with pytest.raises(LinkError) as refused:
                    await broker.wait_connected()
                assert refused.value.fault is LinkFault.NOT_AUTHENTICATED


async def test_a_name_that_is_not_in_the_certificate(
    tmp_path: Path, certificates: Certificates
) -> None:
    async with Mosquitto(tmp_path, tls=certificates) as mosquitto:
        named = Address(
            host="localhost", port=mosquitto.port, tls=Tls(authorities=certificates.authority)
        )
        async with dialling(named) as broker:
            with pytest.raises(LinkError) as refused:
                await broker.wait_connected()
            assert refused.value.fault is LinkFault.NOT_AUTHENTICATED
        unchecked = Tls(authorities=certificates.authority, check_name=False)
        async with dialling(replace(named, tls=unchecked)) as broker:
            await broker.wait_connected()


async def test_a_client_certificate(tmp_path: Path, certificates: Certificates) -> None:
    async with Mosquitto(tmp_path, tls=certificates, client_certificates=True) as mosquitto:
        own = Tls(
            authorities=certificates.authority,
            certificate=certificates.client,
            key=certificates.client_key,
        )
        async with dialling(replace(local(mosquitto.port), tls=own)) as broker:
            await broker.wait_connected()
        assert certificates.client_key not in repr(own)
        async with dialling(
            replace(local(mosquitto.port), tls=replace(own, certificate=None))
        ) as broker:
            with pytest.raises(LinkError):
                await broker.wait_connected()


@pytest.mark.parametrize("broken", ["certificate", "key"])
async def test_what_is_no_certificate(certificates: Certificates, broken: str) -> None:
    tls = Tls(certificate=certificates.client, key=certificates.client_key)
    address = replace(local(free_port()), tls=replace(tls, **{broken: "nothing of the kind"}))
    async with dialling(address) as broker:
        with pytest.raises(LinkError) as refused:
            await broker.wait_connected()
        assert refused.value.fault is LinkFault.NOT_AUTHENTICATED
        assert "nothing" not in refused.value.detail


async def test_a_topic_that_the_broker_keeps_to_itself_does_not_disturb_the_rest(
    tmp_path: Path,
) -> None:
    async with (
        Mosquitto(tmp_path, rules=["topic readwrite box/#"]) as mosquitto,
        dialling(local(mosquitto.port)) as broker,
    ):
        await broker.wait_connected()
        await listen(broker, "private/#")
        told = await listen(broker, "box/a")
        await broker.publish("box/a", "1")
        assert (await told.get())[1] == b"1"


async def test_closing_twice(mosquitto: Mosquitto) -> None:
    async with dialling(local(mosquitto.port)) as broker:
        await broker.wait_connected()
        await broker.close()
        assert not broker.connected
