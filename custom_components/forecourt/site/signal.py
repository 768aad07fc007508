"""Tells listeners of what happened, in the order in which they came."""

from collections.abc import Callable


class Signal[T]:
    """A list of callbacks that take one value."""

    def __init__(self) -> None:
        """Start without listeners."""
        self._listeners: list[Callable[[T], None]] = []

    def connect(self, listener: Callable[[T], None]) -> Callable[[], None]:
        """Add a listener; the returned function removes it and may be called twice."""
        self._listeners.append(listener)

        def disconnect() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return disconnect

    def send(self, value: T) -> None:
        """Call every listener, also those that a listener removes meanwhile."""
        for listener in tuple(self._listeners):
            listener(value)
