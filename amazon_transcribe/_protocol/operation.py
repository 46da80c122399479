"""What an operation of the service is: where it is, what it takes, what it gives.

Each operation's own module ends with its `Operation`.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from ..exceptions import InvalidParameterException
from .combinations import Combinations, no_combinations
from .constraints import Member, NameOf, Structure, first_violation, members_of
from .events import EventParser
from .shapes import EventShape


class InputEvent(msgspec.Struct, frozen=True, eq=False, dict=True):
    """An event that the client sends besides audio.

    :param name: Its `:event-type`.
    :param parameter: What the methods that send it call it.
    :param shape: Its payload.
    :param role: What it does to the stream: the configuration comes first and once, the end
        ends the input.
    :param combinations: Checks the members that need or exclude each other.
    """

    name: str
    parameter: str
    shape: type[EventShape]
    role: Literal["configuration", "end"]
    combinations: Combinations = no_combinations

    @cached_property
    def structure(self) -> Structure:
        """The constraint that its payload obeys."""
        return Structure(self.shape)

    def first_violation(self, event: Any, path: str, name_of: NameOf) -> tuple[str, str] | None:
        """Find the path to the first member that is wrong, and a sentence that says how."""
        if found := self.structure.first_violation(event, path, name_of):
            return found[0], " ".join(found)
        names = {m.name: f"{path}.{name_of(m)}" for m in members_of(self.shape)}
        for name, template in self.combinations(event):
            return names[name], template.format_map(names)
        return None


class Operation(msgspec.Struct, frozen=True, eq=False, dict=True):
    """One operation of the service.

    :param name: Its name in the service model.
    :param path: Its path; a member's name in braces stands for its value.
    :param request: What it takes; each field is a member, see `constraints`.
    :param response: What the service repeats of the request.
    :param result_stream: What reads its events; None for an answer of one JSON body.
    :param events: What its events are.
    :param combinations: Checks the parameters that need or exclude each other.
    :param inputs: What its stream takes besides audio, the configuration first of all.
    :param configured: Whether the stream needs the configuration.
    :param method: The HTTP method.
    """

    name: str
    path: str
    request: type[msgspec.Struct]
    response: type[Any]
    result_stream: type[Any] | None
    events: EventParser
    combinations: Combinations = no_combinations
    inputs: tuple[InputEvent, ...] = ()
    configured: bool = False
    method: str = "POST"

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """What it takes."""
        return members_of(self.request)

    @cached_property
    def header_members(self) -> tuple[tuple[Member, str], ...]:
        """The members that travel in headers, and the headers' names."""
        labels = self.pattern.groupindex
        return tuple((m, m.header) for m in self.members if m.model_name not in labels)

    @cached_property
    def label_members(self) -> tuple[Member, ...]:
        """The members that travel in the path."""
        labels = self.pattern.groupindex
        return tuple(member for member in self.members if member.model_name in labels)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Matches its paths; the groups are the members that stand in them."""
        return re.compile(re.sub("{([A-Za-z]+)}", "(?P<\\1>[^/]+)", self.path))

    @cached_property
    def end_event(self) -> InputEvent | None:
        """The event that ends the input, where the operation has one."""
        return next((event for event in self.inputs if event.role == "end"), None)

    def target(self, request: Any) -> str:
        """Fill a request's parameters into the path."""
        path = self.path
        for member in self.label_members:
            value = quote(str(getattr(request, member.name)), safe="")
            path = path.replace(f"{{{member.model_name}}}", value)
        return path

    def first_violation(self, request: Any, name_of: NameOf) -> tuple[str, str] | None:
        """Find the first parameter that is wrong, and a sentence that says how."""
        if found := first_violation(self.members, request, "", name_of):
            return found[0], " ".join(found)
        for name, template in self.combinations(request):
            names = {member.name: name_of(member) for member in self.members}
            return name, template.format_map(names)
        return None


def check_configuration(operation: Operation, configuration: object) -> None:
    """Refuse what cannot be the configuration of a stream.

    :raises InvalidParameterException: for a value the service model forbids; its
        `parameter` is the path to it.
    """
    if operation.inputs and (configuration is not None or operation.configured):
        known = operation.inputs[0]
        plain = known.structure.normalised(configuration)
        if found := known.first_violation(plain, known.parameter, client_name):
            raise InvalidParameterException(*found)


def client_name(member: Member) -> str:
    """Name a member as the client does."""
    return member.name


def service_name(member: Member) -> str:
    """Name a member as the service model does."""
    return member.model_name
