// The camera: each of its pictures is looked at, until the button is pressed again.

async function startCamera() {
  try {
    state.camera = await navigator.mediaDevices.getUserMedia({ video: true });
  } catch (error) {
    say(`The camera could not be used: ${error.message}.`);
    return;
  }
  at("camera").setAttribute("aria-pressed", "true");
  say("The camera is on. Press the button again to keep the picture.");
  const video = document.createElement("video");
  video.muted = true;
  video.srcObject = state.camera;
  await video.play();
  [state.labelFile, state.labels] = [null, null];
  while (state.camera) {
    const { videoWidth, videoHeight } = video;
    await look({ ...pixelsOf(video, videoWidth, videoHeight), name: "Camera" });
    show(); // shown and not said: a voice could not follow
    await new Promise((done) => setTimeout(done, 30));
  }
  say(show());
}

function stopCamera() {
  state.camera?.getTracks().forEach((track) => track.stop());
  state.camera = null;
  at("camera").setAttribute("aria-pressed", "false");
}
