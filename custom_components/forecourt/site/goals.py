"""What charges are for: a goal per outlet, and one per user that follows the user's card."""

from collections.abc import Callable, Mapping

from ..core.model.goal import Goal
from ..core.model.ids import EvseId
from ..core.model.session import Session
from .board import Board
from .signal import Signal


class Goals:
    """The goals of outlets are kept by the board; `users` has those of users, by their id.

    `changed` tells when one of a user was set. A user's goal counts from the moment on in which
    it is known who charges, until the car leaves; what is asked of the outlet meanwhile is asked
    of this charge only.
    """

    def __init__(self, board: Board, wake: Callable[[], None]) -> None:
        """Start without goals of users; `wake` lets the control loop look at once."""
        self._board = board
        self._wake = wake
        self.users: dict[str, Goal] = {}
        self.changed = Signal[Mapping[str, Goal]]()

    def ask(self, evse: EvseId, goal: Goal) -> None:
        """Set what the charge is for that runs at an outlet, and those to come."""
        own = self._board[evse].charge_goal is None
        self._board.update(evse, **{"goal" if own else "charge_goal": goal})
        self._wake()

    def ask_for_user(self, user_id: str, goal: Goal | None) -> None:
        """Set what all charges of a user are for, wherever; `None` for what the outlet's are."""
        if goal is None:
            self.users.pop(user_id, None)
        else:
            self.users[user_id] = goal
        for state in self._board.all():
            if state.session is not None and state.session.user_id == user_id:
                self._board.update(state.evse, charge_goal=goal)
        self.changed.send(self.users)
        self._wake()

    def keep_users(self, user_ids: set[str]) -> None:
        """Forget the goals of users that do not exist any more."""
        if gone := self.users.keys() - user_ids:
            for user_id in gone:
                del self.users[user_id]
            self.changed.send(self.users)

    def session_changed(self, evse: EvseId, before: Session | None, now: Session | None) -> None:
        """Take over the goal of who charges now; with the car it goes."""
        if now is None:
            self._board.update(evse, charge_goal=None)
        elif before is None or before.user_id != now.user_id:
            self._board.update(evse, charge_goal=self.users.get(now.user_id or ""))
