"""Probes and lifecycle hooks: what the node does to ask, or to tell, a container."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Int32, Int64, IntOrString, Proto, inlines


class ExecAction(TypedDict, total=False):
    """Runs a command in the container; exit code 0 means good."""

    command: Annotated[list[str], Proto(1), ATOMIC, "The command and its arguments; no shell is involved."]


class HTTPHeader(TypedDict, total=False):
    """A header of a probe's request."""

    name: Required[Annotated[str, Proto(1), "The header."]]
    value: Required[Annotated[str, Proto(2), "Its value."]]


class HTTPGetAction(TypedDict, total=False):
    """Makes an HTTP request; 200 to 399 means good."""

    path: Annotated[str, Proto(1), "The path to ask for."]
    port: Required[Annotated[IntOrString, Proto(2), "The port, by number or by its name in the container."]]
    host: Annotated[str, Proto(3), "The host; the pod's address where unset."]
    scheme: Annotated[str, Proto(4), "HTTP or HTTPS."]
    httpHeaders: Annotated[list[HTTPHeader], Proto(5), ATOMIC, "Headers to send."]


class TCPSocketAction(TypedDict, total=False):
    """Opens a TCP connection; being able to means good."""

    port: Required[Annotated[IntOrString, Proto(1), "The port, by number or by its name in the container."]]
    host: Annotated[str, Proto(2), "The host; the pod's address where unset."]


class GRPCAction(TypedDict, total=False):
    """Asks the gRPC health service."""

    port: Required[Annotated[Int32, Proto(1), "The port's number."]]
    service: Annotated[str, Proto(2), "The service to ask about."]


class SleepAction(TypedDict, total=False):
    """Waits."""

    seconds: Required[Annotated[Int64, Proto(1), "How long."]]


class ProbeHandler(TypedDict, total=False):
    """What a probe does; exactly one of these."""

    exec: Annotated[ExecAction, Proto(1), "Run a command in the container."]
    httpGet: Annotated[HTTPGetAction, Proto(2), "Make an HTTP request."]
    tcpSocket: Annotated[TCPSocketAction, Proto(3), "Open a TCP connection."]
    grpc: Annotated[GRPCAction, Proto(4), "Ask the gRPC health service."]


@inlines(1, ProbeHandler)
class Probe(ProbeHandler, total=False):
    """A question asked again and again, and what to make of the answers."""

    initialDelaySeconds: Annotated[Int32, Proto(2), "How long after the start to ask first."]
    timeoutSeconds: Annotated[Int32, Proto(3), "After how long no answer is a bad answer."]
    periodSeconds: Annotated[Int32, Proto(4), "How often to ask."]
    successThreshold: Annotated[Int32, Proto(5), "How many good answers in a row make it good again."]
    failureThreshold: Annotated[Int32, Proto(6), "How many bad answers in a row make it bad."]
    terminationGracePeriodSeconds: Annotated[
        Int64, Proto(7), "How long a container that failed may take to stop, instead of the pod's own period."
    ]


class LifecycleHandler(TypedDict, total=False):
    """What a hook does; exactly one of these."""

    exec: Annotated[ExecAction, Proto(1), "Run a command in the container."]
    httpGet: Annotated[HTTPGetAction, Proto(2), "Make an HTTP request."]
    tcpSocket: Annotated[TCPSocketAction, Proto(3), "Open a TCP connection."]
    sleep: Annotated[SleepAction, Proto(4), "Wait for some seconds."]


class Lifecycle(TypedDict, total=False):
    """What to do after a container starts and before it is stopped."""

    postStart: Annotated[
        LifecycleHandler,
        Proto(1),
        "Right after the container started; it counts as running only when this is through.",
    ]
    preStop: Annotated[
        LifecycleHandler,
        Proto(2),
        "Before the container is told to stop; its time counts towards the grace period.",
    ]
    stopSignal: Annotated[str, Proto(3), "The signal that asks it to stop."]
