// Open the list with the chosen filter. The page includes this script after each select element.
document.currentScript.previousElementSibling.addEventListener("change", (event) => {
    window.location = event.target.value;
});
