"""TODO module"""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Int32, Int64, IntOrString, Proto, inlines


class ExecAction(TypedDict, total=False):
    """TODO ExecAction"""

    command: Annotated[list[str], Proto(1), ATOMIC]


class HTTPHeader(TypedDict, total=False):
    """TODO HTTPHeader"""

    name: Required[Annotated[str, Proto(1)]]
    value: Required[Annotated[str, Proto(2)]]


class HTTPGetAction(TypedDict, total=False):
    """TODO HTTPGetAction"""

    path: Annotated[str, Proto(1)]
    port: Required[Annotated[IntOrString, Proto(2)]]
    host: Annotated[str, Proto(3)]
    scheme: Annotated[str, Proto(4)]
    httpHeaders: Annotated[list[HTTPHeader], Proto(5), ATOMIC]


class TCPSocketAction(TypedDict, total=False):
    """TODO TCPSocketAction"""

    port: Required[Annotated[IntOrString, Proto(1)]]
    host: Annotated[str, Proto(2)]


class GRPCAction(TypedDict, total=False):
    """TODO GRPCAction"""

    port: Required[Annotated[Int32, Proto(1)]]
    service: Annotated[str, Proto(2)]


class SleepAction(TypedDict, total=False):
    """TODO SleepAction"""

    seconds: Required[Annotated[Int64, Proto(1)]]


class ProbeHandler(TypedDict, total=False):
    """TODO ProbeHandler"""

    exec: Annotated[ExecAction, Proto(1)]
    httpGet: Annotated[HTTPGetAction, Proto(2)]
    tcpSocket: Annotated[TCPSocketAction, Proto(3)]
    grpc: Annotated[GRPCAction, Proto(4)]


@inlines(1, ProbeHandler)
class Probe(ProbeHandler, total=False):
    """TODO Probe"""

    initialDelaySeconds: Annotated[Int32, Proto(2)]
    timeoutSeconds: Annotated[Int32, Proto(3)]
    periodSeconds: Annotated[Int32, Proto(4)]
    successThreshold: Annotated[Int32, Proto(5)]
    failureThreshold: Annotated[Int32, Proto(6)]
    terminationGracePeriodSeconds: Annotated[Int64, Proto(7)]


class LifecycleHandler(TypedDict, total=False):
    """TODO LifecycleHandler"""

    exec: Annotated[ExecAction, Proto(1)]
    httpGet: Annotated[HTTPGetAction, Proto(2)]
    tcpSocket: Annotated[TCPSocketAction, Proto(3)]
    sleep: Annotated[SleepAction, Proto(4)]


class Lifecycle(TypedDict, total=False):
    """TODO Lifecycle"""

    postStart: Annotated[LifecycleHandler, Proto(1)]
    preStop: Annotated[LifecycleHandler, Proto(2)]
    stopSignal: Annotated[str, Proto(3)]
