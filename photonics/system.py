"""What stands around an engine: control, host share, power supply, and how busy the engines are kept."""

from photonics.stage import Scalar, stage


@stage
class System:
    """Power at the wall per engine that no stage owns, and the use that a deployment makes of its engines.

    Facility overhead (PUE) is not in here: it is a separate figure.

    Attributes:
        control_power_w: clocks, sequencing and thermal control of one engine, always on [W].
        host_power_w: share of the host computer per engine, always on [W].
        power_supply_efficiency: power delivered over power drawn at the wall.
        utilisation: share of time in which a resident engine shows vectors (pipeline fill, scheduling), 0 to 1.
    """

    control_power_w: Scalar
    host_power_w: Scalar
    power_supply_efficiency: Scalar
    utilisation: Scalar
