"""What a session is fitted with."""

from dataclasses import dataclass
from functools import cached_property

from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
from streamfit.model.subject import Subject


@dataclass(frozen=True, eq=False)
class Setup:
    """The skeleton, the calibration, the keypoint set and the person.

    `subject_toml` where one was given, `subject_name` that of its file.
    """

    skeleton: Skeleton
    rig: Rig
    keypoints: KeypointSet
    subject: Subject
    subject_toml: str | None = None
    subject_name: str = "the subject"

    @cached_property
    def cameras_toml(self) -> str:
        """The calibration's text: written once, for anybody may ask for that of all sessions at any time."""
        return self.rig.to_toml()

    @cached_property
    def keypoints_toml(self) -> str:
        """The keypoint set's."""
        return self.keypoints.to_toml()

    def compiles_like(self, other: "Setup") -> bool:
        """Whether all that is compiled for `other` serves this one as well."""
        return (
            self.skeleton == other.skeleton
            and len(self.rig.names) == len(other.rig.names)
            and self.keypoints.bodies == other.keypoints.bodies
        )
